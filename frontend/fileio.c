#include "frontend/fileio.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse(const char *path, struct ig_diag *d, const char *why, const char *remedy)
{
	ig_error(d, ig_loc_file(d, path), "cannot read the file: %s%s", why, remedy);
	return false;
}

bool ig_map_file(const char *path, struct ig_map *m, struct ig_diag *d)
{
	struct stat st;
	*m = (struct ig_map){0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hang */
	if (fd < 0)
		return refuse(path, d, strerror(errno), errno == ENOENT ? "; check the path" : "");
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		bool folder = S_ISDIR(st.st_mode);
		close(fd);
		return refuse(path, d, folder ? "it is a folder" : "it is not a regular file",
		              folder ? "; name a file in it" : "; copy its contents to a file first");
	}
	if (st.st_size > 0) {
		void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED) {
			int err = errno;
			close(fd);
			return refuse(path, d, strerror(err), "");
		}
		m->data = p;
		m->bytes = (size_t)st.st_size;
	}
	close(fd);
	return true;
}

void ig_unmap(struct ig_map *m)
{
	if (m->data)
		munmap((void *)(uintptr_t)m->data, m->bytes);
	*m = (struct ig_map){0};
}

static float from_bits(uint32_t u)
{
	float f;
	memcpy(&f, &u, sizeof f);
	return f;
}

float ig_widen_bf16(uint16_t bits) { return from_bits((uint32_t)bits << 16); }

float ig_widen_f16(uint16_t bits)
{
	uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
	if (exponent == 31)
		return from_bits(sign | 0x7f800000 | fraction << 13);
	if (exponent)
		return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
	float f = (float)fraction * 0x1p-24f; /* zero or subnormal: exact */
	return sign ? -f : f;
}

const char *ig_dims_str(char *buf, size_t size, int rank, const int64_t *dim)
{
	size_t at = (size_t)snprintf(buf, size, "[");
	for (int i = 0; i < rank && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, i ? ", %lld" : "%lld", (long long)dim[i]);
	if (at < size)
		snprintf(buf + at, size - at, "]");
	return buf;
}

const char *ig_index_str(char *buf, size_t size, int64_t index, int rank, const int64_t *dim)
{
	int64_t place[16];
	if (rank > (int)IG_COUNTOF(place))
		IG_BUG("rank %d", rank);
	for (int i = rank - 1; i >= 0; i--) {
		place[i] = index % dim[i];
		index /= dim[i];
	}
	return ig_dims_str(buf, size, rank, place);
}
