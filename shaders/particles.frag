// Colours particles: premultiplied, faded out where the scene is nearer.

uniform vec3 tint;
uniform float covers;

in vec2 spot;
in vec3 kind;
in float apart;

out vec4 colour;

const float SOFT = 0.02;      // difference of inverse distance over which a surface swallows a particle

void main() {
    float scene = inverse_distance(texelFetch(depth, ivec2(gl_FragCoord.xy), 0).r);
    float before = clamp((inverse_distance(apart) - scene) / SOFT, 0.0, 1.0);
    // A capsule: the distance from the line between its ends, in radii.
    vec2 here = vec2(max(abs(spot.x) * kind.z - (kind.z - 1.0), 0.0), spot.y);
    float far = length(here);
    float light = kind.y > 0.0 ? exp(-4.0 * kind.y * far * far) : 1.0;
    float alpha = kind.x * before * light * (1.0 - smoothstep(0.7, 1.0, far));
    colour = vec4(tint * alpha, alpha * covers);
}
