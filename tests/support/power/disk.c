/* A disk that forgets at a power cut whatever was not fsynced.
 *
 * Preloaded, it keeps a second picture of one folder: POWER_DISK holds what would be there after a cut.
 *
 *   POWER_DISK/content/KEY   what a file held when it was last fsynced
 *   POWER_DISK/names         "KEY NAME" a line: the folder's entries when the folder itself was last fsynced
 *
 * KEY is the file and not its name (inode and time of birth), because a name is made durable by an fsync of the
 * folder alone (fsync(2)): a removed journal is still there after a cut, and a new file is not. A file of POWER_FOLDER
 * that was never fsynced is empty. Only the folder's own files count, not those of its subfolders.
 *
 * The real fsync is left out: the picture is the disk. Each step of it is one rename under a lock, so that killing
 * the process at any moment leaves the one state or the other, and two processes never put an older one back.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void broken(const char *what) {
    dprintf(2, "disk: %s: %s\n", what, strerror(errno));
    abort(); /* never answer that something is on the disk when it is not */
}

static void key_of(int fd, char *key, size_t size) {
    struct statx found;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &found)) broken("statx");
    snprintf(key, size, "%llu-%lld-%u", (unsigned long long)found.stx_ino, (long long)found.stx_btime.tv_sec,
             found.stx_btime.tv_nsec);
}

static void copy(int from, int to) {
    static __thread char block[1 << 18];
    off_t at = 0;
    ssize_t count;
    while ((count = pread(from, block, sizeof block, at)) > 0) {
        if (pwrite(to, block, (size_t)count, at) != count) broken("write");
        at += count;
    }
    if (count < 0) broken("read");
}

/* Through the caller's own descriptor: opening and closing the file here would drop the process's POSIX locks on it,
 * on which SQLite relies. */
static void keep_file(int fd, const char *disk) {
    char key[64], draft[PATH_MAX], kept[PATH_MAX];
    key_of(fd, key, sizeof key);
    snprintf(draft, sizeof draft, "%s/draft", disk);
    snprintf(kept, sizeof kept, "%s/content/%s", disk, key);
    int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) broken("open");
    copy(fd, to);
    close(to);
    if (rename(draft, kept)) broken("rename");
}

static void keep_names(const char *folder, const char *disk) {
    char draft[PATH_MAX], kept[PATH_MAX], key[64];
    snprintf(draft, sizeof draft, "%s/draft", disk);
    snprintf(kept, sizeof kept, "%s/names", disk);
    FILE *names = fopen(draft, "we");
    DIR *entries = opendir(folder);
    if (!names || !entries) broken("open");
    struct dirent *entry;
    while ((entry = readdir(entries))) {
        if (entry->d_type != DT_REG) continue;
        int fd = openat(dirfd(entries), entry->d_name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0) continue; /* removed meanwhile */
        key_of(fd, key, sizeof key);
        close(fd);
        fprintf(names, "%s %s\n", key, entry->d_name);
    }
    closedir(entries);
    if (fclose(names)) broken("write");
    if (rename(draft, kept)) broken("rename");
}

/* Whether the descriptor is one of the folder's files (1), the folder itself (2), or neither (0). */
static int concerns(int fd, const char *folder) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0; /* not open: the real call says so */
    path[length] = 0;
    size_t prefix = strlen(folder);
    if (strncmp(path, folder, prefix)) return 0;
    if (!path[prefix]) return 2;
    return path[prefix] == '/' && !strchr(path + prefix + 1, '/') && !strstr(path, " (deleted)");
}

static int synced(int fd, long number) {
    const char *folder = getenv("POWER_FOLDER"), *disk = getenv("POWER_DISK");
    char lock_path[PATH_MAX];
    int what = folder && disk ? concerns(fd, folder) : 0;
    if (!what) return (int)syscall(number, fd);
    snprintf(lock_path, sizeof lock_path, "%s/lock", disk);
    int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0 || flock(lock, LOCK_EX)) broken("lock");
    if (what == 1) keep_file(fd, disk);
    else keep_names(folder, disk);
    close(lock);
    return 0;
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }
