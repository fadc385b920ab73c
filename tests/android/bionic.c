/* What Android's C library has and glibc lacks or does otherwise, for running one Android library on this machine.
 *
 * The names that end in _ are those that bionic.py gives to functions which both have, with other meanings. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Android's stdin, stdout and stderr are this array of structures of 152 bytes. */
char __sF[3 * 152];

static FILE *stream(void *file)
{
    char *place = file;
    if (place >= __sF && place < __sF + sizeof __sF)
        return place < __sF + 2 * 152 ? stdout : stderr;
    return file;
}

int *__errno(void) { return &errno; }
size_t __strlen_chk(const char *text, size_t size) { (void)size; return strlen(text); }
int __system_property_get(const char *name, char *value) { (void)name; *value = 0; return 0; }
void android_set_abort_message(const char *text) { fputs(text, stderr); }
int __android_log_vprint(int level, const char *tag, const char *format, va_list values)
{
    (void)level, (void)tag, (void)format, (void)values;
    return 0;
}

int vfprint_(void *file, const char *format, va_list values) { return vfprintf(stream(file), format, values); }
int fprint_(void *file, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int count = vfprint_(file, format, values);
    va_end(values);
    return count;
}
int fput_(int letter, void *file) { return fputc(letter, stream(file)); }
int fflus_(void *file) { return fflush(file ? stream(file) : NULL); }
int filen_(void *file) { return fileno(stream(file)); }
size_t fwrit_(const void *data, size_t size, size_t count, void *file) { return fwrite(data, size, count, stream(file)); }
int strerror__(int number, char *text, size_t size) { return __xpg_strerror_r(number, text, size); }

/* The constants of sysconf are numbered in another way. */
long syscon_(int name)
{
    switch (name) {
    case 0x27: case 0x28: return sysconf(_SC_PAGESIZE);
    case 0x60: return sysconf(_SC_NPROCESSORS_CONF);
    case 0x61: return sysconf(_SC_NPROCESSORS_ONLN);
    case 0x62: return sysconf(_SC_PHYS_PAGES);
    default: errno = EINVAL; return -1;
    }
}
