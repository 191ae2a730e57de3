#include "ir/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES 1000 /* temporary names tried: leftovers of killed processes with our process number */

static const char *remedy(int err)
{
	switch (err) {
	case ENOENT: return "; make the folder first";
	case EISDIR: return "; give the name of a file";
	case EACCES:
	case EPERM:
	case EROFS: return "; choose a folder that may be written to";
	case ENOSPC:
	case EDQUOT: return "; free some space or write elsewhere";
	default: return "";
	}
}

static void fail(const struct ig_outfile *o, int err)
{
	ig_error(o->diag, ig_loc_file(o->diag, o->path), "cannot write the file: %s%s", strerror(err), remedy(err));
}

static void release(struct ig_outfile *o)
{
	free(o->path);
	free(o->target);
	free(o->tmp);
	*o = (struct ig_outfile){0};
}

static char *copy(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(ig_xcalloc(n, 1), s, n);
}

/* Creates a file beside o->target that did not exist before; errno on failure. open() and not mkstemp(), so that the user's umask holds. */
static int open_temporary(struct ig_outfile *o)
{
	size_t n = strlen(o->target) + 48;
	o->tmp = ig_xcalloc(n, 1);
	for (int i = 0; i < TRIES; i++) {
		snprintf(o->tmp, n, "%s.tmp-%ld-%d", o->target, (long)getpid(), i);
		int fd = open(o->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

static ssize_t write_some(void *cookie, const char *buf, size_t n)
{
	struct ig_outfile *o = cookie;
	ssize_t got;
	do
		got = write(o->fd, buf, n);
	while (got < 0 && errno == EINTR);
	if (got < 0 && !o->error)
		o->error = errno;
	return got < 0 ? 0 : got;
}

static int close_descriptor(void *cookie)
{
	struct ig_outfile *o = cookie;
	int result = close(o->fd);
	if (result != 0 && !o->error)
		o->error = errno;
	return result;
}

FILE *ig_outfile_open(struct ig_outfile *o, const char *path, struct ig_diag *d)
{
	struct stat st;
	int fd;
	*o = (struct ig_outfile){.path = copy(path), .diag = d};
	bool exists = stat(path, &st) == 0;
	if (exists && S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		fd = -1;
	} else if (exists && !S_ISREG(st.st_mode)) {
		fd = open(path, O_WRONLY | O_CLOEXEC);
	} else {
		o->target = exists ? realpath(path, NULL) : NULL; /* a link stays a link */
		if (!o->target)
			o->target = copy(path);
		fd = open_temporary(o);
		if (fd >= 0 && exists)
			(void)!fchmod(fd, st.st_mode & 07777); /* only a courtesy */
	}
	if (fd < 0) {
		fail(o, errno);
		release(o);
		return NULL;
	}
	o->fd = fd;
	o->file = fopencookie(o, "wb", (cookie_io_functions_t){.write = write_some, .close = close_descriptor});
	if (!o->file)
		IG_BUG("cannot make a stream");
	return o->file;
}

bool ig_outfile_commit(struct ig_outfile *o)
{
	if (!o->file)
		IG_BUG("commit of an output file that is not open");
	bool ok = fflush(o->file) == 0 && !ferror(o->file);
	ok = fclose(o->file) == 0 && ok; /* some file systems tell of a full disk only here */
	int err = o->error ? o->error : ok ? 0 : EIO;
	if (!err && o->tmp && rename(o->tmp, o->target) != 0)
		err = errno;
	if (err) {
		fail(o, err);
		if (o->tmp)
			unlink(o->tmp);
	}
	release(o);
	return err == 0;
}

void ig_outfile_abort(struct ig_outfile *o)
{
	if (!o->file)
		return;
	fclose(o->file);
	if (o->tmp)
		unlink(o->tmp);
	release(o);
}

bool ig_outfile_write(const char *path, const void *data, size_t n, struct ig_diag *d)
{
	struct ig_outfile o;
	FILE *f = ig_outfile_open(&o, path, d);
	if (!f)
		return false;
	fwrite(data, 1, n, f); /* a short write shows in commit */
	return ig_outfile_commit(&o);
}
