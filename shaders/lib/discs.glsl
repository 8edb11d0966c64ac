// The discs that points out of focus become, in texels of `small`: which texels they cover, and how much of each.

uniform sampler2D small;      // what blur_shrink.frag made
uniform sampler2D taps;       // offset x, y and the radius of the shape whose rim is there; by radius, 256 a row
uniform int tap_count;
uniform float reach;          // blur_limit in texels of `small`

// Radius in texels, above 0 behind the plane of focus.
float signed_blur(float alpha) {
    return (alpha * 255.0 - 128.0) / 127.0 * reach;
}

vec3 tap(int i) {
    return texelFetch(taps, ivec2(i & 255, i >> 8), 0).xyz;
}

// Part of the texel at this tap that a shape of a radius of at least half a texel covers.
float covered(float radius, float rim) {
    return clamp(radius - rim + 0.5, 0.0, 1.0);
}

// Sum of `covered` over all texels, but for a factor: its integral, which the sum comes near to.
float area(float radius) {
    return radius * radius + 1.0 / 12.0;
}

#ifdef NEAR_BLUR
uniform sampler2D tiles;      // what blur_tiles.frag made
uniform int tile;             // texels, each way; at least the largest radius before the plane of focus

// The largest radius before the plane of focus, texels, within a tile's length, and whether there is anything else.
vec2 around(ivec2 here) {
    ivec2 last = textureSize(tiles, 0) - 1;
    vec2 most = vec2(0.0);
    for (int i = 0; i < 9; i++)
        most = max(most, texelFetch(tiles, clamp(here / tile + ivec2(i % 3, i / 3) - 1, ivec2(0), last), 0).rg);
    return vec2(most.r * 255.0 / 127.0 * reach, most.g);
}
#endif
