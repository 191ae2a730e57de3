/* Numbers drawn at random, but the same on every machine and in every order. */
#ifndef IG_PASSES_DRAW_H
#define IG_PASSES_DRAW_H
#include <stdint.h>

/* The number that belongs to two others (splitmix64's function). */
static inline uint64_t ig_draw(uint64_t a, uint64_t b)
{
	uint64_t z = (a + 1) * 0x9e3779b97f4a7c15u + b * 0xd1342543de82ef95u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}
#endif
