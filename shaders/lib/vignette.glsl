// Darkens towards the corners.

uniform vec2 vignette_shape;  // the frame's half sides over its half diagonal
uniform float vignette_strength;
uniform float vignette_start;

vec3 vignetted(vec3 c, vec2 at) {
    float r = length((at * 2.0 - 1.0) * vignette_shape);
    return c * (1.0 - vignette_strength * smoothstep(vignette_start, 1.05, r));
}
