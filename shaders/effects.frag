// The effects in one pass: from the scene's picture and depth to the finished frame. Only what is on is compiled in.

uniform sampler2D picture;    // of the scene, row 0 first
uniform vec2 frame;           // pixels
#ifdef PARTICLES
uniform sampler2D particles;  // colour premultiplied
#endif
#ifdef COLOUR
uniform mat3 grade;
uniform vec3 grade_offset;
#endif
#ifdef GAMMA
uniform float gamma;
#endif
#ifdef WATERMARK
uniform sampler2D watermark;
uniform vec4 watermark_at;    // x, y, width, height in pixels
uniform float watermark_opacity;
#endif
#ifdef LETTERBOX
uniform vec2 bars;            // at the sides, at top and bottom, as parts of the frame
#endif
#ifdef CAPTION
uniform sampler2D caption;
uniform vec4 caption_at;
uniform float caption_opacity;
#endif
#ifdef FADE
uniform vec3 fade_colour;
uniform float fade_amount;
#endif
#ifdef YUV
uniform mat3 yuv;
uniform vec3 yuv_offset;
#endif

in vec2 place;
out vec4 colour;

vec3 scene(vec2 at) {
    vec3 c = texture(picture, at).rgb;
#ifdef DISTANCE
    float inverse = inverse_distance(texture(depth, at).r);
#endif
#ifdef FOG
    c = fogged(c, inverse);
#endif
#ifdef DOF
    c = focused(c, inverse, at);
#endif
#ifdef PARTICLES
    vec4 p = texture(particles, at);
    c = c * (1.0 - p.a) + p.rgb;
#endif
    return c;
}

vec3 laid(vec3 c, sampler2D sheet, vec4 at, float opacity) {
    vec2 inside = (place * frame - at.xy) / at.zw;
    if (opacity <= 0.0 || any(lessThan(inside, vec2(0.0))) || any(greaterThan(inside, vec2(1.0))))
        return c;
    vec4 over = texture(sheet, inside) * opacity;
    return c * (1.0 - over.a) + over.rgb;
}

void main() {
    vec2 at = place;
#ifdef LENS
    at = bent(at);
#endif
#ifdef ABERRATION
    vec3 c = vec3(scene(parted(at, 1.0)).r, scene(parted(at, 0.5)).g, scene(at).b);
#else
    vec3 c = scene(at);
#endif
#ifdef SWEEP
    c = swept(c, place);
#endif
#ifdef VIGNETTE
    c = vignetted(c, place);
#endif
#ifdef COLOUR
    c = grade * c + grade_offset;
#endif
#ifdef GAMMA
    c = pow(max(c, 0.0), vec3(1.0 / gamma));
#endif
    c = clamp(c, 0.0, 1.0);
#ifdef GRAIN
    c = clamp(grained(c, place), 0.0, 1.0);
#endif
#ifdef WATERMARK
    c = laid(c, watermark, watermark_at, watermark_opacity);
#endif
#ifdef LETTERBOX
    vec2 open = min(place, 1.0 - place) - bars;
    // Half a pixel of the bar's edge is grey. Bars of no width have no edge.
    vec2 edge = mix(clamp(open * frame + 0.5, 0.0, 1.0), vec2(1.0), vec2(lessThanEqual(bars, vec2(0.0))));
    c *= edge.x * edge.y;
#endif
#ifdef CAPTION
    c = laid(c, caption, caption_at, caption_opacity);
#endif
#ifdef FADE
    c = mix(c, fade_colour, fade_amount);
#endif
#ifdef YUV
    c = yuv * c + yuv_offset;
#endif
    colour = vec4(c, 1.0);
}
