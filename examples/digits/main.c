/* A program that links the compiled model: digits.o and digits.h are made by
       intaglio compile model.ig --calibration calib.npy -o digits
   and everything the model needs is one function and one static arena. Usage: digits test.npy test_labels.npy */
#define _POSIX_C_SOURCE 200809L
#include "digits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIXELS 64
#define CLASSES 10
#define REPEATS 40 /* of the whole test set, for the latency */

static _Alignas(DIGITS_ARENA_ALIGN) unsigned char arena[DIGITS_ARENA_BYTES];

/* The data of a .npy file of the given type and its number of bytes; the program ends when there is none. */
static void *read_npy(const char *path, const char *type, size_t *bytes)
{
	unsigned char head[10] = {0};
	char header[65536] = "";
	FILE *f = fopen(path, "rb");
	if (!f || fread(head, 1, 10, f) != 10 || memcmp(head, "\x93NUMPY\1\0", 8) != 0 || fread(header, 1, head[8] + 256u * head[9], f) == 0 ||
	    !strstr(header, type) || strstr(header, "True")) {
		fprintf(stderr, "%s: not an array of type %s\n", path, type);
		exit(1);
	}
	size_t room = 1 << 16;
	char *data = malloc(room);
	*bytes = 0;
	for (size_t got; data && (got = fread(data + *bytes, 1, room - *bytes, f)) > 0;) {
		*bytes += got;
		if (*bytes == room)
			data = realloc(data, room *= 2);
	}
	fclose(f);
	if (!data) {
		fprintf(stderr, "%s: out of memory\n", path);
		exit(1);
	}
	return data;
}

static int best(const float *probs)
{
	int k = 0;
	for (int i = 1; i < CLASSES; i++)
		if (probs[i] > probs[k])
			k = i;
	return k;
}

static double microseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: digits IMAGES.npy LABELS.npy\n");
		return 2;
	}
	size_t image_bytes, label_bytes;
	unsigned char *images = read_npy(argv[1], "u1", &image_bytes), *labels = read_npy(argv[2], "<i8", &label_bytes);
	size_t n = image_bytes / PIXELS, right = 0, runs = 0;
	if (n == 0 || image_bytes != n * PIXELS || label_bytes != n * 8) {
		fprintf(stderr, "%s and %s do not belong together\n", argv[1], argv[2]);
		return 1;
	}
	double *times = calloc(n * REPEATS, sizeof *times);
	if (!times)
		return 1;
	for (int repeat = 0; repeat < REPEATS; repeat++) {
		for (size_t i = 0; i < n; i++) {
			float probs[CLASSES];
			double start = microseconds();
			int error = digits_run(images + i * PIXELS, probs, arena);
			times[runs++] = microseconds() - start;
			if (error) {
				fprintf(stderr, "digits_run failed with %d\n", error);
				return 1;
			}
			right += repeat == 0 && best(probs) == labels[i * 8];
		}
	}
	qsort(times, runs, sizeof *times, compare);
	printf("accuracy  %.1f %% of %zu images\n", 100.0 * (double)right / (double)n, n);
	printf("latency   median %.2f us, p99 %.2f us (%zu runs, clock included)\n", times[runs / 2], times[runs / 100 * 99], runs);
	printf("arena     %u bytes\n", DIGITS_ARENA_BYTES);
	free(times);
	free(images);
	free(labels);
	return 0;
}
