// How far out of focus something is: radius in frame heights, above 0 behind the plane of focus, below 0 before it.

uniform float blur_scale;     // radius per difference of inverse distance
uniform float blur_focus;     // inverse distance in focus
uniform float blur_limit;     // the largest radius that is kept

float blur_of(float inverse) {
    return clamp(blur_scale * (blur_focus - inverse), -blur_limit, blur_limit);
}
