// Where the lens bends a ray to: at is 0 to 1 across and down. Nothing beyond the frame is asked for.

uniform vec2 diagonal;        // the frame's half sides over its half diagonal

#ifdef DISTORTION
uniform float distortion;     // above 0 barrel, below 0 pincushion

vec2 bent(vec2 at) {
    vec2 p = (at * 2.0 - 1.0) * diagonal;
    p *= (1.0 + distortion * dot(p, p)) / (1.0 + max(distortion, 0.0));
    return p / diagonal * 0.5 + 0.5;
}
#else
vec2 bent(vec2 at) { return at; }
#endif

#ifdef ABERRATION
uniform float aberration;     // half diagonals between red and blue in the corners

vec2 parted(vec2 at, float part) {
    vec2 p = (at * 2.0 - 1.0) * diagonal;
    return (at - 0.5) * (1.0 - aberration * part * dot(p, p)) + 0.5;
}
#endif
