#version 330
// Places the corners of the particles' rectangles.

in vec3 centre;               // on screen, -1 to 1 across and down, and depth
in vec2 axis;                 // from the centre to this corner
in vec2 corner;               // -1 or 1, along and across
in vec3 look;                 // opacity, glow, length to width

out vec2 spot;
out vec3 kind;
out float apart;              // depth as a texture has it

void main() {
    gl_Position = vec4(centre.xy + axis, 0.0, 1.0);
    spot = corner;
    kind = look;
    apart = centre.z * 0.5 + 0.5;
}
