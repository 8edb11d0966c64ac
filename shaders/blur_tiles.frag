// What there is in each tile of `small`, so that those who blur need not look at all texels: the largest radius before the
// plane of focus, in 255ths as there, and whether anything else.

uniform int tile;             // texels, each way
uniform vec2 ends;            // texels: what is blurred more than the second is not made on this level

out vec4 colour;

void main() {
    ivec2 last = textureSize(small, 0) - 1;
    ivec2 first = ivec2(gl_FragCoord.xy) * tile;
    float most = 0.0, others = 0.0;
    for (int y = 0; y < tile; y++) {
        for (int x = 0; x < tile; x++) {
            float radius = -signed_blur(texelFetch(small, min(first + ivec2(x, y), last), 0).a);
            most = radius < ends.y ? max(most, radius) : most;
            others = max(others, step(radius, 0.5));
        }
    }
    colour = vec4(most / reach * 127.0 / 255.0, others, 0.0, 1.0);
}
