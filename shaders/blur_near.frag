// Blurs what lies before the plane of focus, over what is behind: colour, and how much of the disc it covers.

uniform vec2 starts;          // texels: radii over which what is blurred begins to be made here,
uniform vec2 ends;            // and ceases to be
uniform float disc_area;      // of radius 1

out vec4 colour;

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy);
    ivec2 last = textureSize(small, 0) - 1;
    float most = around(here).x;
    vec4 sum = vec4(0.0);
    for (int i = 0; i < tap_count && most > starts.x; i++) {
        vec3 offset = tap(i);
        if (offset.z >= most + 0.5)
            break;
        vec4 there = texelFetch(small, clamp(here + ivec2(offset.xy), ivec2(0), last), 0);
        float radius = -signed_blur(there.a);
        float counts = smoothstep(starts.x, starts.y, radius) * (1.0 - smoothstep(ends.x, ends.y, radius));
        float wide = max(radius, 0.5);
        float weight = counts * covered(wide, offset.z) / max(disc_area * area(wide), 1.0);
        sum += vec4(TO_LIGHT(there.rgb), 1.0) * weight;
    }
    colour = sum.a > 0.0 ? vec4(FROM_LIGHT(sum.rgb / sum.a), min(sum.a, 1.0)) : vec4(0.0);
}
