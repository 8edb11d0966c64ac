// Points spread evenly over the shape of the aperture: golden-angle spiral (Vogel 1979), radius as sqrt.

uniform sampler2D small;      // what blur_shrink.frag made
uniform float reach;          // blur_limit in texels of `small`

const mat2 GOLDEN = mat2(-0.73736888, 0.67549029, -0.67549029, -0.73736888);

float signed_blur(float alpha) {
    return (alpha * 255.0 - 128.0) / 127.0 * reach;
}

vec2 shaped(vec2 unit, float angle) {
#ifdef SIDES
    const float SECTOR = 6.28318531 / float(SIDES);
    return unit * (cos(SECTOR * 0.5) / cos(mod(angle, SECTOR) - SECTOR * 0.5)) * vec2(1.0 / SQUEEZE, 1.0);
#else
    return unit * vec2(1.0 / SQUEEZE, 1.0);
#endif
}
