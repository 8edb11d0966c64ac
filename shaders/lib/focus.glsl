// Puts the blurred pictures and the sharp one together.

uniform sampler2D small;      // what was blurred, to know whose texels are whose
uniform sampler2D far_blur;
uniform float texel;          // one of them in frame heights
#ifdef NEAR_BLUR
uniform sampler2D near_blur;
#endif

// The four texels round a place, without those that are sharp: they belong to another surface.
vec3 far_at(vec2 at, float blur) {
    vec2 size = vec2(textureSize(small, 0));
    vec2 corner = at * size - 0.5;
    ivec2 first = ivec2(floor(corner));
    vec2 f = corner - vec2(first);
    vec4 sum = vec4(0.0);
    float enough = min(blur, texel);
    for (int i = 0; i < 4; i++) {
        ivec2 which = ivec2(i & 1, i >> 1);
        ivec2 there = clamp(first + which, ivec2(0), ivec2(size) - 1);
        float other = (texelFetch(small, there, 0).a * 255.0 - 128.0) / 127.0 * blur_limit;
        vec2 share = mix(1.0 - f, f, vec2(which));
        float weight = share.x * share.y * (min(abs(other) / enough, 1.0) + 1e-3);
        sum += vec4(TO_LIGHT(texelFetch(far_blur, there, 0).rgb), 1.0) * weight;
    }
    return sum.rgb / sum.a;
}

#ifdef NEAR_BLUR
vec4 near_at(vec2 at) {
    vec2 size = vec2(textureSize(near_blur, 0));
    vec2 corner = at * size - 0.5;
    ivec2 first = ivec2(floor(corner));
    vec2 f = corner - vec2(first);
    vec4 sum = vec4(0.0);
    for (int i = 0; i < 4; i++) {
        ivec2 which = ivec2(i & 1, i >> 1);
        vec4 there = texelFetch(near_blur, clamp(first + which, ivec2(0), ivec2(size) - 1), 0);
        vec2 share = mix(1.0 - f, f, vec2(which));
        sum += vec4(TO_LIGHT(there.rgb) * there.a, there.a) * share.x * share.y;
    }
    return vec4(sum.rgb / max(sum.a, 1e-6), sum.a);
}
#endif

vec3 focused(vec3 c, float inverse, vec2 at) {
    float blur = blur_of(inverse);
    float radius = abs(blur);
    vec3 light = TO_LIGHT(c);
    float soft = smoothstep(0.25, 1.0, radius / texel);
    if (soft > 0.0)
        light = mix(light, far_at(at, radius), soft);
#ifdef NEAR_BLUR
    if (texture(near_blur, at).a > 0.0) {
        vec4 near = near_at(at);
        light = mix(light, near.rgb, near.a);
    }
#endif
    return FROM_LIGHT(light);
}
