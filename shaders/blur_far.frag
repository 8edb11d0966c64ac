// Blurs what lies behind the plane of focus. What lies before it is left out, so that the picture goes on behind it.

out vec4 colour;

const int COUNT = 56;

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy);
    ivec2 last = textureSize(small, 0) - 1;
    vec4 own = texelFetch(small, here, 0);
    float blur = signed_blur(own.a);
    float radius = abs(blur);
    if (radius < 0.5) {
        colour = vec4(own.rgb, 1.0);
        return;
    }
    vec4 sum = vec4(TO_LIGHT(own.rgb), 1.0) * 1e-3;
    vec2 unit = vec2(0.0, 1.0);
    for (int i = 0; i < COUNT; i++) {
        float part = sqrt((float(i) + 0.5) / float(COUNT));
        vec2 offset = shaped(unit, float(i) * 2.39996323 + 1.57079633) * part * radius;
        vec4 there = texelFetch(small, clamp(here + ivec2(floor(offset + 0.5)), ivec2(0), last), 0);
        float other = signed_blur(there.a);
        // Light falls here if its own disc is wide enough, thinner the wider that is; what is farther than this
        // surface is cut by this surface's own disc.
        float wide = blur > 0.0 ? min(other, radius) : radius;
        float thin = radius / max(wide, 0.5);
        // What hides all of it, itself too, gives way to anything behind.
        float counts = step(part * radius - 0.5, wide) * (blur > 0.0 ? 1.0 : step(-0.5, other));
        sum += vec4(TO_LIGHT(there.rgb), 1.0) * counts * thin * thin;
        unit = GOLDEN * unit;
    }
    colour = vec4(FROM_LIGHT(sum.rgb / sum.a), 1.0);
}
