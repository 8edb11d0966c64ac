#version 330
// Lays the left and the right view over each other for coloured glasses (weights: depthflow/scene/anaglyph.py).

uniform sampler2D views;      // sRGB; the left view in the half with v < 0.5
uniform mat3 left;
uniform mat3 right;
uniform float linear;         // 1: the weights are for linear light
uniform float red_power;
uniform mat4 coding;          // RGB to what is drawn, a row's last column for what is added

in vec2 place;
out vec4 colour;

// IEC 61966-2-1
vec3 to_light(vec3 value) {
    return mix(value / 12.92, pow((value + 0.055) / 1.055, vec3(2.4)), step(0.04045, value));
}

vec3 to_srgb(vec3 light) {
    return mix(light * 12.92, 1.055 * pow(light, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, light));
}

vec3 view(float side) {
    vec3 value = texture(views, vec2(place.x, 0.5 * (place.y + side))).rgb;
    return linear > 0.5 ? to_light(value) : value;
}

void main() {
    vec3 mixed = clamp(left * view(0.0) + right * view(1.0), 0.0, 1.0);
    if (linear > 0.5)
        mixed = to_srgb(mixed);
    mixed.r = pow(mixed.r, red_power);
    colour = coding * vec4(mixed, 1.0);
}
