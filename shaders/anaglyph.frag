#version 330
// Lays the left and the right view over each other for coloured glasses. Before this line depthflow/render/anaglyph.py
// puts the method: left and right (weights), coding (RGB to what is drawn), LINEAR, RED_POWER.

uniform sampler2D views;      // sRGB; the left view in the half with row 0

out vec4 colour;

// IEC 61966-2-1
vec3 to_light(vec3 value) {
    return mix(value / 12.92, pow((value + 0.055) / 1.055, vec3(2.4)), step(0.04045, value));
}

vec3 to_srgb(vec3 light) {
    return mix(light * 12.92, 1.055 * pow(light, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, light));
}

void main() {
    ivec2 place = ivec2(gl_FragCoord.xy);
    vec3 one = texelFetch(views, place, 0).rgb;
    vec3 other = texelFetch(views, place + ivec2(0, textureSize(views, 0).y / 2), 0).rgb;
#ifdef LINEAR
    one = to_light(one);
    other = to_light(other);
#endif
    vec3 mixed = clamp(left * one + right * other, 0.0, 1.0);
#ifdef LINEAR
    mixed = to_srgb(mixed);
#endif
#ifdef RED_POWER
    mixed.r = pow(mixed.r, RED_POWER);
#endif
    colour = coding * vec4(mixed, 1.0);
}
