// Puts the blurred pictures and the sharp one together. The more something is blurred, the smaller the picture that its
// blur was made of.

uniform sampler2D small_0;    // what was blurred, to know whose texels are whose
uniform sampler2D far_0;
uniform vec2 level_0;         // one of their texels, and the largest radius they say, frame heights
#ifdef NEAR_BLUR
uniform sampler2D near_0;
#endif
#if LEVELS > 1
uniform sampler2D small_1;
uniform sampler2D far_1;
uniform vec2 level_1;
uniform vec2 fade_1;          // radii over which this level takes over, frame heights
#ifdef NEAR_BLUR
uniform sampler2D near_1;
#endif
#endif
#if LEVELS > 2
uniform sampler2D small_2;
uniform sampler2D far_2;
uniform vec2 level_2;
uniform vec2 fade_2;
#ifdef NEAR_BLUR
uniform sampler2D near_2;
#endif
#endif

// The four texels round a place, without those that are sharp, or blurred too much for this level: they belong to
// another surface.
vec3 far_at(sampler2D small, sampler2D far_blur, vec2 level, float stops, vec2 at, float blur) {
    vec2 size = vec2(textureSize(small, 0));
    vec2 corner = at * size - 0.5;
    ivec2 first = ivec2(floor(corner));
    vec2 f = corner - vec2(first);
    vec4 sum = vec4(0.0);
    float enough = min(blur, level.x);
    for (int i = 0; i < 4; i++) {
        ivec2 which = ivec2(i & 1, i >> 1);
        ivec2 there = clamp(first + which, ivec2(0), ivec2(size) - 1);
        float other = abs(texelFetch(small, there, 0).a * 255.0 - 128.0) / 127.0 * level.y;
        vec2 share = mix(1.0 - f, f, vec2(which));
        float weight = share.x * share.y * (min(other / enough, 1.0) * step(other, stops) + 1e-3);
        sum += vec4(TO_LIGHT(texelFetch(far_blur, there, 0).rgb), 1.0) * weight;
    }
    return sum.rgb / sum.a;
}

#ifdef NEAR_BLUR
// Light times cover, and cover.
vec4 near_at(sampler2D near_blur, vec2 at) {
    if (texture(near_blur, at).a <= 0.0)
        return vec4(0.0);
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
    return sum;
}
#endif

vec3 focused(vec3 c, float inverse, vec2 at) {
    float blur = blur_of(inverse);
#ifdef NEAR_BLUR
    if (abs(blur) < level_0.x)
        blur = settled(blur, at);
#endif
    float radius = abs(blur);
    vec3 light = TO_LIGHT(c);
    float soft = smoothstep(0.25, 1.0, radius / level_0.x);
#if LEVELS > 1
    const float STOPS = 0.97;
    float wider = smoothstep(fade_1.x, fade_1.y, radius);
#if LEVELS > 2
    float widest = smoothstep(fade_2.x, fade_2.y, radius);
#endif
    if (soft > 0.0 && wider < 1.0)
        light = mix(light, far_at(small_0, far_0, level_0, STOPS * level_0.y, at, radius), soft);
#if LEVELS > 2
    if (wider > 0.0 && widest < 1.0)
        light = mix(light, far_at(small_1, far_1, level_1, STOPS * level_1.y, at, radius), wider);
    if (widest > 0.0)
        light = mix(light, far_at(small_2, far_2, level_2, 2.0 * level_2.y, at, radius), widest);
#else
    if (wider > 0.0)
        light = mix(light, far_at(small_1, far_1, level_1, 2.0 * level_1.y, at, radius), wider);
#endif
#else
    if (soft > 0.0)
        light = mix(light, far_at(small_0, far_0, level_0, 2.0 * level_0.y, at, radius), soft);
#endif
#ifdef NEAR_BLUR
    vec4 near = near_at(near_0, at);
#if LEVELS > 1
    near += near_at(near_1, at);
#endif
#if LEVELS > 2
    near += near_at(near_2, at);
#endif
    near /= max(near.a, 1.0);
    light = light * (1.0 - near.a) + near.rgb;
#endif
    return FROM_LIGHT(light);
}
