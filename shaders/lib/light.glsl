// To linear light and back, by squares: near enough for blurring, and cheap.

#ifdef LINEAR
#define TO_LIGHT(c) ((c) * (c))
#define FROM_LIGHT(c) sqrt(c)
#else
#define TO_LIGHT(c) (c)
#define FROM_LIGHT(c) (c)
#endif
