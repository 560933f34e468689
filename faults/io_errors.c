/* Makes calls on files of one folder fail: EIO, EACCES, EROFS, ENOSPC.

   Loaded before the C library (LD_PRELOAD). `fault_arm(folder, code, after, sticky, reads)` lets
   `after` calls pass; the next one fails with `code`, and with `sticky` all later ones, too.
   `fault_disarm` ends that and returns how many calls failed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static int armed, code, after, sticky, with_reads, failed;

void fault_arm(const char *path, int error, int calls, int stays, int reads) {
    snprintf(folder, sizeof folder, "%s", path);
    code = error, after = calls, sticky = stays, with_reads = reads, failed = 0, armed = 1;
}

int fault_disarm(void) {
    armed = 0;
    return failed;
}

static int is_ours(const char *path) {
    return path != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int fails(void) {
    int number = after--;
    if (number > 0 || (number < 0 && !sticky)) return 0;
    failed++;
    errno = code;
    return 1;
}

static int path_fails(const char *path) { return armed && is_ours(path) && fails(); }

static int file_fails(int fd, int is_read) {
    char link[64], path[PATH_MAX];
    /* Permission is a matter of opening; an open file meets errors of the disk only. */
    if (!armed || (is_read && !with_reads) || code == EACCES || code == EROFS) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return is_ours(path) && fails();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define ON_FILE(type, name, is_read, parameters, values) \
    type name parameters { return file_fails(fd, is_read) ? -1 : REAL(name) values; }
#define ON_PATH(type, name, path, parameters, values) \
    type name parameters { return path_fails(path) ? -1 : REAL(name) values; }

ON_FILE(ssize_t, write, 0, (int fd, const void *data, size_t size), (fd, data, size))
ON_FILE(ssize_t, writev, 0, (int fd, const struct iovec *parts, int n), (fd, parts, n))
ON_FILE(ssize_t, pwrite, 0, (int fd, const void *d, size_t n, off_t at), (fd, d, n, at))
ON_FILE(ssize_t, pwrite64, 0, (int fd, const void *d, size_t n, off64_t at), (fd, d, n, at))
ON_FILE(int, fsync, 0, (int fd), (fd))
ON_FILE(int, fdatasync, 0, (int fd), (fd))
ON_FILE(int, ftruncate, 0, (int fd, off_t size), (fd, size))
ON_FILE(int, ftruncate64, 0, (int fd, off64_t size), (fd, size))
ON_FILE(ssize_t, read, 1, (int fd, void *data, size_t size), (fd, data, size))
ON_FILE(ssize_t, pread, 1, (int fd, void *d, size_t n, off_t at), (fd, d, n, at))
ON_FILE(ssize_t, pread64, 1, (int fd, void *d, size_t n, off64_t at), (fd, d, n, at))
ON_PATH(int, rename, to, (const char *from, const char *to), (from, to))
ON_PATH(int, link, to, (const char *from, const char *to), (from, to))
ON_PATH(int, mkdir, path, (const char *path, mode_t mode), (path, mode))

static int is_refused(const char *path, int flags) {
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    return (writes || with_reads) && path_fails(path);
}

#define OPENS(name)                                                        \
    int name(const char *path, int flags, ...) {                           \
        va_list rest;                                                      \
        va_start(rest, flags);                                             \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                      \
        return is_refused(path, flags) ? -1 : REAL(name)(path, flags, mode); \
    }
OPENS(open)
OPENS(open64)
