// The effects in one pass: from the scene's picture and depth to the finished frame. Only what is on is compiled in.

uniform sampler2D picture;    // of the scene, row 0 first
uniform vec2 frame;           // pixels
#ifdef ALPHA
uniform sampler2D opacity;    // of the scene; the picture is premultiplied by it, and so is what comes out
#endif
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

// Colour by itself of light times opacity.
vec3 alone(vec3 light, float alpha) {
    return light / max(alpha, 1.0 / 512.0);
}

// Colour, and opacity if there is any.
vec4 scene(vec2 at) {
    vec3 c = texture(picture, at).rgb;
    float alpha = 1.0;
#ifdef ALPHA
    alpha = texture(opacity, at).r;
    c = min(alone(c, alpha), 1.0);
#endif
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
#ifdef ALPHA
    // Light that covers nothing still has to be seen where there is nothing.
    float shown = max(p.a, max(p.r, max(p.g, p.b)));
    c = c * alpha * (1.0 - p.a) + p.rgb;
    alpha = 1.0 - (1.0 - alpha) * (1.0 - shown);
    c = alone(c, alpha);
#else
    c = c * (1.0 - p.a) + p.rgb;
#endif
#endif
    return vec4(c, alpha);
}

vec4 laid(vec4 under, sampler2D sheet, vec4 at, float strength) {
    vec2 inside = (place * frame - at.xy) / at.zw;
    if (strength <= 0.0 || any(lessThan(inside, vec2(0.0))) || any(greaterThan(inside, vec2(1.0))))
        return under;
    vec4 over = texture(sheet, inside) * strength;
#ifdef ALPHA
    float alpha = 1.0 - (1.0 - under.a) * (1.0 - over.a);
    return vec4(alone(under.rgb * under.a * (1.0 - over.a) + over.rgb, alpha), alpha);
#else
    return vec4(under.rgb * (1.0 - over.a) + over.rgb, 1.0);
#endif
}

void main() {
    vec2 at = place;
#ifdef LENS
    at = bent(at);
#endif
#ifdef ABERRATION
    vec4 red = scene(parted(at, 1.0)), green = scene(parted(at, 0.5)), blue = scene(at);
    vec3 c = vec3(red.r, green.g, blue.b);
    float alpha = max(max(red.a, green.a), blue.a);
#ifdef ALPHA
    c = alone(c * vec3(red.a, green.a, blue.a), alpha);
#endif
#else
    vec4 seen = scene(at);
    vec3 c = seen.rgb;
    float alpha = seen.a;
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
    vec4 marked = laid(vec4(c, alpha), watermark, watermark_at, watermark_opacity);
    c = marked.rgb;
    alpha = marked.a;
#endif
#ifdef LETTERBOX
    vec2 open = min(place, 1.0 - place) - bars;
    // Half a pixel of the bar's edge is grey. Bars of no width have no edge.
    vec2 edge = mix(clamp(open * frame + 0.5, 0.0, 1.0), vec2(1.0), vec2(lessThanEqual(bars, vec2(0.0))));
#ifdef ALPHA
    c *= alpha * edge.x * edge.y;
    alpha = 1.0 - (1.0 - alpha) * edge.x * edge.y;
    c = alone(c, alpha);
#else
    c *= edge.x * edge.y;
#endif
#endif
#ifdef CAPTION
    vec4 captioned = laid(vec4(c, alpha), caption, caption_at, caption_opacity);
    c = captioned.rgb;
    alpha = captioned.a;
#endif
#ifdef FADE
    c = mix(c, fade_colour, fade_amount);
#endif
#ifdef YUV
    c = yuv * c + yuv_offset;
#endif
#ifdef ALPHA
    c *= alpha;
#endif
    colour = vec4(c, alpha);
}
