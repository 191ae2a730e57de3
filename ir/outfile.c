#include "ir/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

static bool name_temporary(struct ig_outfile *o, int i)
{
	size_t n = strlen(o->target) + 48;
	if (!o->tmp)
		o->tmp = ig_xcalloc(n, 1);
	snprintf(o->tmp, n, "%s.tmp-%ld-%d", o->target, (long)getpid(), i);
	return i < TRIES;
}

/* A file without a name in o->target's folder; -1 where the file system has none or it could not be named later. */
static int open_nameless(const struct ig_outfile *o)
{
	const char *slash = strrchr(o->target, '/');
	char *folder = slash ? copy(o->target) : copy(".");
	if (slash)
		folder[slash == o->target ? 1 : slash - o->target] = 0;
	int fd = access("/proc/self/fd", X_OK) == 0 ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
	free(folder);
	return fd;
}

/* Creates a file beside o->target: nameless, or one that did not exist before; errno on failure. open() and not mkstemp(), so that the user's umask holds. */
static int open_temporary(struct ig_outfile *o)
{
	int fd = open_nameless(o);
	o->nameless = fd >= 0;
	for (int i = 0; fd < 0 && name_temporary(o, i); i++) {
		fd = open(o->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	return fd;
}

/* Gives the file a name that did not exist before; an errno on failure. */
static int link_nameless(struct ig_outfile *o, int fd)
{
	char from[48];
	snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
	for (int i = 0; name_temporary(o, i); i++) {
		if (linkat(AT_FDCWD, from, AT_FDCWD, o->tmp, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno != EEXIST)
			break;
	}
	int err = errno;
	free(o->tmp);
	o->tmp = NULL;
	return err;
}

/* Puts the complete file in the target's place; an errno on failure. No signal comes between its two names. */
static int put_in_place(struct ig_outfile *o, int fd)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = fd >= 0 ? link_nameless(o, fd) : 0;
	if (!err && rename(o->tmp, o->target) != 0)
		err = errno;
	if (err && o->tmp)
		unlink(o->tmp);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

/* All of it: a write that takes a part only is continued, and the next one tells why. */
static ssize_t write_some(void *cookie, const char *buf, size_t n)
{
	struct ig_outfile *o = cookie;
	for (size_t done = 0; done < n;) {
		ssize_t got = write(o->fd, buf + done, n - done);
		if (got > 0)
			done += (size_t)got;
		else if (got == 0 || errno != EINTR) {
			if (!o->error)
				o->error = got ? errno : EIO;
			return 0;
		}
	}
	return (ssize_t)n;
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
	int fd = o->nameless ? dup(o->fd) : -1, err = o->nameless && fd < 0 ? errno : 0; /* outlives the stream */
	ok = fclose(o->file) == 0 && ok; /* some file systems tell of a full disk only here */
	err = o->error ? o->error : err ? err : ok ? 0 : EIO;
	if (!err && o->target)
		err = put_in_place(o, fd);
	else if (err && o->tmp)
		unlink(o->tmp);
	if (fd >= 0)
		close(fd);
	if (err)
		fail(o, err);
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
