// Distances of what is seen.

uniform sampler2D depth;      // of the scene, row 0 first
uniform vec4 depth_row;       // (a, b, c, e): depth on screen is (a z + b) / (c z + e)

float inverse_distance(float texel) {
    float at = texel * 2.0 - 1.0;
    return (depth_row.x - at * depth_row.z) / (at * depth_row.w - depth_row.y);
}
