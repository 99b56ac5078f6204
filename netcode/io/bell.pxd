"""A descriptor that one thread makes readable to wake another out of its system call.

An eventfd on Linux, else one end of a pair of connected sockets.
"""

from libc.stdint cimport intptr_t


cdef extern from *:
    r"""
    #if defined(_WIN32)
      #include <winsock2.h>
    #else
      #include <sys/socket.h>
      #include <time.h>
      #include <unistd.h>
    #endif

    /* Make the other end readable. A full one is readable already. */
    static inline void native_ring(intptr_t fd) {
    #if defined(__linux__)
        static const unsigned long long one = 1;
        ssize_t done = write((int)fd, &one, sizeof one);
        (void)done;
    #elif defined(_WIN32)
        send((SOCKET)fd, "!", 1, 0);
    #else
        ssize_t done = send((int)fd, "!", 1, 0);
        (void)done;
    #endif
    }

    /* Make it unreadable. */
    static inline void native_hush(intptr_t fd) {
        char some[64];
    #if defined(__linux__)
        ssize_t done = read((int)fd, some, 8);
        (void)done; (void)some;
    #elif defined(_WIN32)
        while (recv((SOCKET)fd, some, (int)sizeof some, 0) == (int)sizeof some) {}
    #else
        while (recv((int)fd, some, sizeof some, 0) == (ssize_t)sizeof some) {}
    #endif
    }

    /* Processor time of the calling thread, seconds. */
    static inline double native_thread_time(void) {
    #if defined(_WIN32)
        FILETIME made, ended, kernel, user;
        ULARGE_INTEGER a, b;
        if (!GetThreadTimes(GetCurrentThread(), &made, &ended, &kernel, &user)) return 0.0;
        a.LowPart = kernel.dwLowDateTime; a.HighPart = kernel.dwHighDateTime;
        b.LowPart = user.dwLowDateTime; b.HighPart = user.dwHighDateTime;
        return (double)(a.QuadPart + b.QuadPart) * 1e-7;
    #else
        struct timespec spent;
        if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent) != 0) return 0.0;
        return (double)spent.tv_sec + (double)spent.tv_nsec * 1e-9;
    #endif
    }
    """
    void native_ring(intptr_t fd) noexcept nogil
    void native_hush(intptr_t fd) noexcept nogil
    double native_thread_time() noexcept nogil
