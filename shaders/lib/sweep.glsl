// A band of light that crosses the frame and brightens what is there.

uniform vec3 sweep_axis;      // direction, and half the frame's length along it, frame heights
uniform vec3 sweep_colour;
uniform float sweep_strength;
uniform float sweep_position;
uniform float sweep_width;
uniform float aspect;

vec3 swept(vec3 c, vec2 at) {
    float along = dot((at - 0.5) * vec2(aspect, 1.0), sweep_axis.xy);
    float middle = mix(-1.0, 1.0, sweep_position) * (sweep_axis.z + sweep_width);
    float band = 1.0 - smoothstep(0.0, 1.0, abs(along - middle) / sweep_width);
    return c + sweep_strength * band * sweep_colour * (0.15 + 0.85 * c);
}
