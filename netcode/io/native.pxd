"""The system's sockets as one small C interface: Linux, other POSIX, Windows.

Everything that differs between systems is in the C block; where a system lacks a thing, the
block defines it so that the callers compile, and a HAS_ constant tells them not to use it.
Run on Linux only: the macOS, BSD and Windows branches have been compiled, never run.
"""

from libc.stdint cimport intptr_t, uint8_t, uint16_t


cdef extern from *:
    r"""
    #include <string.h>

    #if defined(_WIN32)
      #include <winsock2.h>
      #include <ws2tcpip.h>
      #if defined(_MSC_VER)
        #pragma comment(lib, "ws2_32.lib")
      #endif
      struct iovec { void *iov_base; size_t iov_len; };
      struct msghdr {
          void *msg_name; int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
          void *msg_control; size_t msg_controllen; int msg_flags;
      };
    #else
      #include <errno.h>
      #include <netinet/in.h>
      #include <poll.h>
      #include <sys/select.h>
      #include <sys/socket.h>
      #include <sys/uio.h>
      #include <time.h>
    #endif

    #if defined(__linux__) && !defined(NETCODE_NO_MMSG)
      #define NATIVE_HAS_MMSG 1
      #define NATIVE_CONTROL_BYTES CMSG_SPACE(sizeof(unsigned short))
    #else
      #define NATIVE_HAS_MMSG 0
      #define NATIVE_CONTROL_BYTES 8
      #define mmsghdr native_mmsghdr
      struct native_mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    #endif

    /* A peer's address as the system wants it. */
    typedef union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } native_name;

    #if !defined(MSG_DONTWAIT)
      #define MSG_DONTWAIT 0    /* the socket itself is non-blocking */
    #endif
    #if !defined(MSG_TRUNC)
      #define MSG_TRUNC 0
    #endif

    /* Fill `name` for a socket of `families` (4, 6, or 10 for both); its length, or 0 when that
       socket cannot reach it. Port 0 is nobody's: some systems refuse it with EINVAL. */
    static inline int native_name_put(native_name *name, int families, int family,
                                      unsigned short port, const unsigned char *ip) {
        if (port == 0) return 0;
        if (families == 4) {
            if (family != 4) return 0;
            memset(&name->v4, 0, sizeof name->v4);
            name->v4.sin_family = AF_INET;
            name->v4.sin_port = htons(port);
            memcpy(&name->v4.sin_addr, ip, 4);
            return (int)sizeof name->v4;
        }
        memset(&name->v6, 0, sizeof name->v6);
        name->v6.sin6_family = AF_INET6;
        name->v6.sin6_port = htons(port);
        if (family == 6) {
            memcpy(&name->v6.sin6_addr, ip, 16);
        } else if (family == 4 && families == 10) {
            unsigned char *to = (unsigned char *)&name->v6.sin6_addr;
            to[10] = to[11] = 0xff;
            memcpy(to + 12, ip, 4);
        } else {
            return 0;
        }
        return (int)sizeof name->v6;
    }

    /* The parts of `name`; `ip` is zero padded. Family 0 for any other kind. */
    static inline int native_name_get(const native_name *name, unsigned short *port,
                                      unsigned char *ip) {
        if (name->any.sa_family == AF_INET) {
            *port = ntohs(name->v4.sin_port);
            memcpy(ip, &name->v4.sin_addr, 4);
            memset(ip + 4, 0, 12);
            return 4;
        }
        *port = 0;
        memset(ip, 0, 16);
        if (name->any.sa_family != AF_INET6) return 0;
        *port = ntohs(name->v6.sin6_port);
        memcpy(ip, &name->v6.sin6_addr, 16);
        return 6;
    }

    /* Many datagrams in one call. */
    static inline int native_receive_many(intptr_t fd, struct mmsghdr *messages, int count) {
    #if NATIVE_HAS_MMSG
        return recvmmsg((int)fd, messages, (unsigned int)count, MSG_DONTWAIT, NULL);
    #else
        (void)fd; (void)messages; (void)count;
        return -1;
    #endif
    }

    static inline int native_send_many(intptr_t fd, struct mmsghdr *messages, int count) {
    #if NATIVE_HAS_MMSG
        return sendmmsg((int)fd, messages, (unsigned int)count, MSG_DONTWAIT);
    #else
        (void)fd; (void)messages; (void)count;
        return -1;
    #endif
    }

    /* Whether the two are there and allowed: neither does anything for no message. */
    static inline int native_many_works(intptr_t fd) {
    #if NATIVE_HAS_MMSG
        struct mmsghdr none;
        return recvmmsg((int)fd, &none, 0, MSG_DONTWAIT, NULL) == 0
            && sendmmsg((int)fd, &none, 0, MSG_DONTWAIT) == 0;
    #else
        (void)fd;
        return 0;
    #endif
    }

    /* Ask the kernel to cut one message into datagrams of `size` bytes (UDP_SEGMENT). */
    static inline void native_segment(struct msghdr *message, void *control, unsigned short size) {
    #if NATIVE_HAS_MMSG
        struct cmsghdr *part;
        message->msg_control = control;
        message->msg_controllen = NATIVE_CONTROL_BYTES;
        part = CMSG_FIRSTHDR(message);
        part->cmsg_level = 17;    /* SOL_UDP */
        part->cmsg_type = 103;    /* UDP_SEGMENT */
        part->cmsg_len = CMSG_LEN(sizeof size);
        memcpy(CMSG_DATA(part), &size, sizeof size);
    #else
        (void)message; (void)control; (void)size;
    #endif
    }

    /* One datagram; its size, or -1. *truncated says that it was longer than `capacity`.
       recvmsg, as recvfrom says nothing of truncation but on Linux. */
    static inline int native_receive_one(intptr_t fd, void *data, int capacity, native_name *name,
                                         int *truncated) {
    #if defined(_WIN32)
        int length = (int)sizeof *name, got;
        got = recvfrom((SOCKET)fd, (char *)data, capacity, 0, &name->any, &length);
        *truncated = got < 0 && WSAGetLastError() == WSAEMSGSIZE;
        return *truncated ? capacity : got;
    #else
        struct iovec part;
        struct msghdr message;
        int got;
        part.iov_base = data;
        part.iov_len = (size_t)capacity;
        memset(&message, 0, sizeof message);
        message.msg_name = name;
        message.msg_namelen = sizeof *name;
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        got = (int)recvmsg((int)fd, &message, MSG_DONTWAIT);
        *truncated = got >= 0 && (message.msg_flags & MSG_TRUNC) != 0;
        return got;
    #endif
    }

    /* One datagram; 0 or -1. */
    static inline int native_send_one(intptr_t fd, const void *data, int size,
                                      const native_name *name, int length) {
    #if defined(_WIN32)
        return sendto((SOCKET)fd, (const char *)data, size, 0, &name->any, length) < 0 ? -1 : 0;
    #else
        return sendto((int)fd, data, (size_t)size, MSG_DONTWAIT, &name->any,
                      (socklen_t)length) < 0 ? -1 : 0;
    #endif
    }

    /* Why the last call failed: the system's number, and what that number means. */
    #if defined(_WIN32)
      #define native_error() WSAGetLastError()
      #define native_is_full(e) ((e) == WSAEWOULDBLOCK || (e) == WSAENOBUFS)
      #define native_is_watched(e) ((e) == WSAEWOULDBLOCK)
      #define native_is_interrupted(e) ((e) == WSAEINTR)
      #define native_is_closed(e) ((e) == WSAENOTSOCK)
      #define native_refuses_segments(e) 0
    #else
      #define native_error() errno
      /* ENOBUFS is how BSD and macOS say that the queue is full; the socket stays writable. */
      #define native_is_full(e) ((e) == EAGAIN || (e) == EWOULDBLOCK || (e) == ENOBUFS)
      #define native_is_watched(e) ((e) != ENOBUFS)
      #define native_is_interrupted(e) ((e) == EINTR)
      #define native_is_closed(e) ((e) == EBADF || (e) == ENOTSOCK)
      #define native_refuses_segments(e) \
          ((e) == EIO || (e) == EINVAL || (e) == EMSGSIZE || (e) == EOPNOTSUPP \
           || (e) == ENOPROTOOPT)
    #endif

    /* Sleep until `fd` can be read (bit 0), or written if `writable` (bit 1), or `also` can be
       read (bit 2); 0 after `seconds`; -1 interrupted by a signal. -1 as a descriptor: none. */
    static inline int native_wait(intptr_t fd, intptr_t also, int writable, double seconds) {
    #if defined(_WIN32)
        WSAPOLLFD all[2];
        int n = 0, first, ready;
        DWORD milliseconds = (DWORD)(seconds * 1000.0 + 0.999);
        if (fd != -1) {
            all[n].fd = (SOCKET)fd;
            all[n].events = (SHORT)(POLLRDNORM | (writable ? POLLWRNORM : 0));
            all[n++].revents = 0;
        }
        first = n;
        if (also != -1) {
            all[n].fd = (SOCKET)also;
            all[n].events = POLLRDNORM;
            all[n++].revents = 0;
        }
        if (n == 0) { Sleep(milliseconds); return 0; }
        ready = WSAPoll(all, (ULONG)n, (INT)milliseconds);
        if (ready <= 0) return ready;
        ready = 0;
        if (first && (all[0].revents & ~POLLWRNORM)) ready |= 1;
        if (first && (all[0].revents & POLLWRNORM)) ready |= 2;
        if (n > first && all[first].revents) ready |= 4;
        return ready;
    #else
        struct pollfd all[2];
        struct timespec length;
        int ready;
        length.tv_sec = (time_t)seconds;
        length.tv_nsec = (long)((seconds - (double)length.tv_sec) * 1e9);
      #if !defined(__linux__)
        /* No ppoll on macOS, and poll counts whole milliseconds: select where it can. */
        if (fd < FD_SETSIZE && also < FD_SETSIZE) {
            fd_set reading, writing;
            int top = (int)(fd > also ? fd : also);
            FD_ZERO(&reading);
            FD_ZERO(&writing);
            if (fd >= 0) FD_SET((int)fd, &reading);
            if (fd >= 0 && writable) FD_SET((int)fd, &writing);
            if (also >= 0) FD_SET((int)also, &reading);
            ready = pselect(top + 1, &reading, &writing, NULL, &length, NULL);
            if (ready <= 0) return ready;
            return (fd >= 0 && FD_ISSET((int)fd, &reading) ? 1 : 0)
                | (fd >= 0 && FD_ISSET((int)fd, &writing) ? 2 : 0)
                | (also >= 0 && FD_ISSET((int)also, &reading) ? 4 : 0);
        }
      #endif
        all[0].fd = (int)fd;       /* a negative one is left out by the system */
        all[0].events = (short)(POLLIN | (writable ? POLLOUT : 0));
        all[0].revents = 0;
        all[1].fd = (int)also;
        all[1].events = POLLIN;
        all[1].revents = 0;
      #if defined(__linux__)
        ready = ppoll(all, 2, &length, NULL);
      #else
        ready = poll(all, 2, (int)(seconds * 1000.0 + 0.999));
      #endif
        if (ready <= 0) return ready;
        return ((all[0].revents & ~POLLOUT) ? 1 : 0) | ((all[0].revents & POLLOUT) ? 2 : 0)
            | (all[1].revents ? 4 : 0);
    #endif
    }

    /* Seconds of a clock that only goes forward. */
    static inline double native_clock(void) {
    #if defined(_WIN32)
        LARGE_INTEGER now, rate;
        QueryPerformanceCounter(&now);
        QueryPerformanceFrequency(&rate);
        return (double)now.QuadPart / (double)rate.QuadPart;
    #else
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    #endif
    }
    """

    enum:
        NATIVE_HAS_MMSG
        MSG_TRUNC

    ctypedef struct native_name:
        pass

    struct iovec:
        void *iov_base
        size_t iov_len

    struct msghdr:
        void *msg_name
        size_t msg_namelen
        iovec *msg_iov
        size_t msg_iovlen
        void *msg_control
        size_t msg_controllen
        int msg_flags

    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len

    int native_name_put(native_name *name, int families, int family, uint16_t port,
                        const uint8_t *ip) noexcept nogil
    int native_name_get(const native_name *name, uint16_t *port, uint8_t *ip) noexcept nogil
    int native_receive_many(intptr_t fd, mmsghdr *messages, int count) noexcept nogil
    int native_send_many(intptr_t fd, mmsghdr *messages, int count) noexcept nogil
    bint native_many_works(intptr_t fd) noexcept nogil
    void native_segment(msghdr *message, void *control, uint16_t size) noexcept nogil
    int native_receive_one(intptr_t fd, void *data, int capacity, native_name *name,
                           int *truncated) noexcept nogil
    int native_send_one(intptr_t fd, const void *data, int size, const native_name *name,
                        int length) noexcept nogil
    int native_error() noexcept nogil
    bint native_is_full(int error) noexcept nogil
    bint native_is_watched(int error) noexcept nogil
    bint native_is_interrupted(int error) noexcept nogil
    bint native_is_closed(int error) noexcept nogil
    bint native_refuses_segments(int error) noexcept nogil
    int native_wait(intptr_t fd, intptr_t also, bint writable, double seconds) noexcept nogil
    double native_clock() noexcept nogil
