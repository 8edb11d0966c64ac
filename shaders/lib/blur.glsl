// How far out of focus something is: radius in frame heights, above 0 behind the plane of focus, below 0 before it.

uniform float blur_scale;     // radius per difference of inverse distance
uniform float blur_focus;     // inverse distance in focus
uniform float blur_limit;     // the largest radius that is kept

float blur_of(float inverse) {
    return clamp(blur_scale * (blur_focus - inverse), -blur_limit, blur_limit);
}

#ifdef NEAR_BLUR
uniform float blur_near;      // the largest radius before the plane of focus in the clip
uniform float blur_range;     // radius per difference of depth from 0 to 1

const float BESIDE = 0.02;    // frame heights beside an edge in which depth, and what lies there, is not to be trusted

// The radius, but nothing is sharp right beside a nearer thing that is blurred: there lie colours of that thing's
// outline, at depths in between, some of which are in focus. It keeps the side of the plane of focus that it is on.
float settled(float blur, vec2 at) {
    if (abs(blur) >= blur_near)
        return blur;
    vec2 size = vec2(textureSize(depth, 0));
    vec2 reached = BESIDE / 4.0 * vec2(size.y / size.x, 1.0);
    float most = 0.0;
    // From the outermost ring inwards; where that sees no edge, there is none.
    for (int i = 0; i < 16 && (i < 4 || most > 0.0); i++) {
        int ring = 4 - (i >> 2);
        float away = float((i & 1) * 2 - 1) * float(ring);
        vec2 there = at + reached * ((i & 2) == 0 ? vec2(away, 0.0) : vec2(0.0, away));
        float other = blur_of(inverse_distance(texture(depth, there).r));
        // That much of the scene's depth in so short a way is an edge, and no floor.
        float edge = smoothstep(0.05, 0.15, (blur - other) / blur_range);
        most = max(most, -other * edge * float(5 - ring) / 4.0);
    }
    return abs(blur) >= most ? blur : blur < 0.0 ? -most : most;
}
#endif
