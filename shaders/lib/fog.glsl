// Fog that thickens with depth.

uniform vec3 fog_colour;
uniform float fog_density;    // optical depth per unit of depth
uniform float fog_start;      // depth, 0 far, 1 near
uniform float fog_relief;

vec3 fogged(vec3 c, float inverse) {
    float behind = max(fog_start - (inverse - 1.0) / fog_relief, 0.0);
    return mix(fog_colour, c, exp(-fog_density * behind));
}
