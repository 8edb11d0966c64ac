// Shrinks the picture for blurring; the alpha says how far out of focus it is, 128 of 255 is sharp.

uniform sampler2D picture;
uniform int block;            // pixels that make one, each way

out vec4 colour;

void main() {
    ivec2 size = textureSize(picture, 0) - 1;
    ivec2 first = ivec2(gl_FragCoord.xy) * block;
    ivec2 middle = min(first + block / 2, size);
    // The surface that stands in its middle decides.
    float own = blur_of(inverse_distance(texelFetch(depth, middle, 0).r));
    vec4 sum = vec4(0.0);
    for (int y = 0; y < block; y++) {
        for (int x = 0; x < block; x++) {
            ivec2 at = min(first + ivec2(x, y), size);
            float inverse = inverse_distance(texelFetch(depth, at, 0).r);
            vec3 c = texelFetch(picture, at, 0).rgb;
#ifdef FOG
            c = fogged(c, inverse);
#endif
            // What is blurred otherwise belongs to another surface.
            float weight = exp2(-abs(blur_of(inverse) - own) / blur_limit * 24.0);
            sum += vec4(TO_LIGHT(c), 1.0) * weight;
        }
    }
#ifdef NEAR_BLUR
    own = settled(own, (vec2(middle) + 0.5) / vec2(size + 1));
#endif
    colour = vec4(FROM_LIGHT(sum.rgb / sum.a), (own / blur_limit * 127.0 + 128.0) / 255.0);
}
