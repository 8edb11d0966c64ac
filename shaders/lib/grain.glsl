// Film grain: a tile of noise, laid elsewhere in every frame.

uniform sampler2D grain_tile; // standard deviation 1 is 42 of 255 round the middle
uniform float grain_strength;
uniform vec2 grain_scale;     // tiles in the frame
uniform vec2 grain_offset;

vec3 grained(vec3 c, vec2 at) {
    float noise = (texture(grain_tile, at * grain_scale + grain_offset).r * 255.0 - 127.5) / 42.0;
    float luma = dot(c, vec3(0.2126, 0.7152, 0.0722));
    float tone = 2.0 * luma - 1.0;
    return c + grain_strength * 0.08 * noise * (1.0 - 0.8 * tone * tone);
}
