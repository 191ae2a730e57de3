/* Tile registers in software, by Intel's description of LDTILECFG, TILELOADD, TILESTORED and TDPBUSD. */
#include "tests/common/tiles.h"

#include <stdlib.h>
#include <string.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };
static _Thread_local struct {
	int configured;
	int rows[TILES], columns[TILES]; /* columns in bytes */
	uint8_t data[TILES][ROWS][ROW_BYTES];
} t;
static int64_t dots;

static void need(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "tiles: %s\n", what);
	abort();
}

static void config(const void *p)
{
	const uint8_t *c = p;
	memset(&t, 0, sizeof t);
	need(c[0] == 1 && c[1] == 0, "palette 1 and row 0 to start");
	for (int i = 2; i < 16; i++)
		need(c[i] == 0, "reserved bytes of the configuration");
	for (int i = 0; i < 16; i++) {
		int columns = c[16 + 2 * i] | c[17 + 2 * i] << 8, rows = c[48 + i];
		need(i < TILES ? rows <= ROWS && columns <= ROW_BYTES && !rows == !columns : !rows && !columns, "tile shapes");
		if (i < TILES) {
			t.rows[i] = rows;
			t.columns[i] = columns;
		}
	}
	t.configured = 1;
}

static void release(void)
{
	need(t.configured, "released without a configuration");
	memset(&t, 0, sizeof t);
}

static void load(uint8_t i, const void *at, int64_t stride)
{
	need(t.configured && i < TILES && t.rows[i], "load of a tile that is not configured");
	memset(t.data[i], 0, sizeof t.data[i]);
	for (int r = 0; r < t.rows[i]; r++)
		memcpy(t.data[i][r], (const uint8_t *)at + r * stride, (size_t)t.columns[i]);
}

static void store(uint8_t i, void *at, int64_t stride)
{
	need(t.configured && i < TILES && t.rows[i], "store of a tile that is not configured");
	for (int r = 0; r < t.rows[i]; r++)
		memcpy((uint8_t *)at + r * stride, t.data[i][r], (size_t)t.columns[i]);
}

static void dot(uint8_t c, uint8_t a, uint8_t b)
{
	need(t.configured && c < TILES && a < TILES && b < TILES && c != a && c != b && a != b, "three different tiles");
	need(t.rows[c] && t.rows[c] == t.rows[a] && t.columns[c] == t.columns[b] && t.columns[a] == 4 * t.rows[b], "shapes of a product");
	for (int m = 0; m < t.rows[c]; m++)
		for (int k = 0; k < t.columns[a] / 4; k++)
			for (int n = 0; n < t.columns[b] / 4; n++) {
				uint32_t s;
				const uint8_t *x = t.data[a][m] + 4 * k;
				const int8_t *y = (const int8_t *)t.data[b][k] + 4 * n;
				memcpy(&s, t.data[c][m] + 4 * n, 4);
				s += (uint32_t)(x[0] * y[0] + x[1] * y[1] + x[2] * y[2] + x[3] * y[3]);
				memcpy(t.data[c][m] + 4 * n, &s, 4);
			}
	for (int m = t.rows[c]; m < ROWS; m++)
		memset(t.data[c][m], 0, ROW_BYTES);
	dots++;
}

int64_t test_tile_dots(void) { return dots; }

const struct ig_tile_calls test_tiles = {config, load, store, dot, release};
