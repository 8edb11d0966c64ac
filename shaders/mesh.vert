#version 330
// Places the vertices of the depth mesh: un-projects along the photo's own rays, then applies the camera.

// x, y: place in the photo, halves of its longer side, y up; z: depth, 0 far, 1 near.
in vec3 position;

uniform vec2 copy_sign;       // 1, or -1 for a mirrored copy of the photo
uniform vec2 copy_offset;     // where the copy stands, halves of the photo's longer side
uniform mat4 camera;          // (rx s, ry s, 1, q) -> clip
uniform vec2 frame_extent;    // what the frame shows at rest, halves of the photo's longer side
uniform vec2 photo_extent;    // the photo's own, same unit
uniform float ray_scale;      // tan(fov / 2)
uniform float relief;         // q = 1 + relief * depth
uniform vec2 unprojection;    // s = c0 + c1 q

out vec2 place;               // texture coordinates, row 0 of the photo at v = 0
out float nearness;           // depth, 0 far, 1 near

void main() {
    float q = 1.0 + relief * position.z;
    float s = unprojection.x + unprojection.y * q;
    vec2 stands = position.xy * copy_sign + copy_offset;
    vec4 clip = camera * vec4(stands * ray_scale * s, 1.0, q);
    // Row 0 of a frame is its top, row 0 of a framebuffer its bottom: drawn upside down, it reads the right way.
    // Divided by s, w is the same for all vertices at rest, so that the photo is laid out evenly between them.
    gl_Position = vec4(clip.xy / frame_extent * vec2(1.0, -1.0), clip.zw) / s;
    nearness = position.z;
    place = vec2(0.5, 0.5) + vec2(0.5, -0.5) * position.xy / photo_extent;
}
