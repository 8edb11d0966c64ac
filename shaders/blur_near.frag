// Blurs what lies before the plane of focus, over what is behind: colour, and how much of the disc it covers.

uniform float near_reach;     // largest radius before the plane of focus, texels

out vec4 colour;

const int COUNT = 64;

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy);
    ivec2 last = textureSize(small, 0) - 1;
    vec4 own = texelFetch(small, here, 0);
    vec4 sum = vec4(0.0);
    vec2 unit = vec2(0.0, 1.0);
    for (int i = 0; i < COUNT; i++) {
        float part = sqrt((float(i) + 0.5) / float(COUNT));
        vec2 offset = shaped(unit, float(i) * 2.39996323 + 1.57079633) * part * near_reach;
        vec4 there = texelFetch(small, clamp(here + ivec2(floor(offset + 0.5)), ivec2(0), last), 0);
        float wide = min(-signed_blur(there.a), near_reach);
        // Points of the spiral within a disc of that width: each brings its share of the disc.
        float points = floor(float(COUNT) * wide * wide / (near_reach * near_reach) + 0.5);
        float weight = wide > 0.5 && float(i) < max(points, 1.0) ? 1.0 / max(points, 1.0) : 0.0;
        sum += vec4(TO_LIGHT(there.rgb), 1.0) * weight;
        unit = GOLDEN * unit;
    }
    colour = sum.a > 0.0 ? vec4(FROM_LIGHT(sum.rgb / sum.a), min(sum.a, 1.0)) : vec4(own.rgb, 0.0);
}
