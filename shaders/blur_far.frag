// Blurs what lies behind the plane of focus. What lies before it is left out, so that the picture goes on behind it.

uniform float stops;          // texels: what is blurred more is not made here

out vec4 colour;

void main() {
    ivec2 here = ivec2(gl_FragCoord.xy);
    ivec2 last = textureSize(small, 0) - 1;
    vec4 own = texelFetch(small, here, 0);
    float blur = signed_blur(own.a);
    float radius = abs(blur);
    bool done = radius < 0.5 || radius > stops;
#ifdef NEAR_BLUR
    // Nothing else is near enough to be seen behind what hides all of it.
    done = done || blur < 0.0 && around(here).y < 0.5;
#endif
    if (done) {
        colour = vec4(own.rgb, 1.0);
        return;
    }
    vec4 sum = vec4(TO_LIGHT(own.rgb), 1.0) * 1e-5;
    for (int i = 0; i < tap_count; i++) {
        vec3 offset = tap(i);
        if (offset.z >= radius + 0.5)
            break;
        vec4 there = texelFetch(small, clamp(here + ivec2(offset.xy), ivec2(0), last), 0);
        float other = signed_blur(there.a);
        // Light falls here if its own disc is wide enough, thinner the wider that is; what is farther than this
        // surface is cut by this surface's own disc. What hides all of it, itself too, gives way to anything behind.
        float wide = max(blur > 0.0 ? min(other, radius) : radius, 0.5);
        float weight = step(-0.5, other) * covered(wide, offset.z) / area(wide);
        sum += vec4(TO_LIGHT(there.rgb), 1.0) * weight;
    }
    colour = vec4(FROM_LIGHT(sum.rgb / sum.a), 1.0);
}
