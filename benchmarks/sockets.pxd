"""Linux's calls for many datagrams at once, with the local address of each."""

from libc.stdint cimport uint16_t, uint32_t, uint8_t

cdef extern from *:
    r"""
    #include <errno.h>
    #include <netinet/in.h>
    #include <poll.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <time.h>

    #define MANY 64
    #define ROOM 1408

    /* Up to MANY datagrams, their peers, and the local addresses they left from or came to. */
    typedef struct {
        struct mmsghdr headers[MANY];
        struct iovec parts[MANY];
        struct sockaddr_in peers[MANY];
        char controls[MANY][CMSG_SPACE(sizeof(struct in_pktinfo))];
        unsigned char data[MANY][ROOM];
    } many;

    static inline void many_init(many *m) {
        int i;
        memset(m, 0, sizeof *m);
        for (i = 0; i < MANY; i++) {
            m->parts[i].iov_base = m->data[i];
            m->headers[i].msg_hdr.msg_iov = &m->parts[i];
            m->headers[i].msg_hdr.msg_iovlen = 1;
            m->headers[i].msg_hdr.msg_name = &m->peers[i];
        }
    }

    /* Fill from a socket; how many, 0 when there is none. */
    static inline int many_receive(many *m, int fd, int with_local) {
        int i, got;
        for (i = 0; i < MANY; i++) {
            m->parts[i].iov_len = ROOM;
            m->headers[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
            m->headers[i].msg_hdr.msg_control = with_local ? m->controls[i] : NULL;
            m->headers[i].msg_hdr.msg_controllen = with_local ? sizeof m->controls[i] : 0;
        }
        got = recvmmsg(fd, m->headers, MANY, MSG_DONTWAIT, NULL);
        return got < 0 ? 0 : got;
    }

    /* The local address (host order) that datagram i came to; 0 when the kernel did not say. */
    static inline uint32_t many_local(many *m, int i) {
        struct cmsghdr *c;
        for (c = CMSG_FIRSTHDR(&m->headers[i].msg_hdr); c != NULL;
             c = CMSG_NXTHDR(&m->headers[i].msg_hdr, c))
            if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO)
                return ntohl(((struct in_pktinfo *)CMSG_DATA(c))->ipi_addr.s_addr);
        return 0;
    }

    /* Make datagram i leave from a local address. */
    static inline void many_from(many *m, int i, uint32_t local) {
        struct cmsghdr *c;
        struct in_pktinfo info;
        memset(&info, 0, sizeof info);
        info.ipi_spec_dst.s_addr = htonl(local);
        m->headers[i].msg_hdr.msg_control = m->controls[i];
        m->headers[i].msg_hdr.msg_controllen = sizeof m->controls[i];
        c = CMSG_FIRSTHDR(&m->headers[i].msg_hdr);
        c->cmsg_level = IPPROTO_IP;
        c->cmsg_type = IP_PKTINFO;
        c->cmsg_len = CMSG_LEN(sizeof info);
        memcpy(CMSG_DATA(c), &info, sizeof info);
    }

    static inline void many_to(many *m, int i, uint32_t host, uint16_t port) {
        m->peers[i].sin_family = AF_INET;
        m->peers[i].sin_addr.s_addr = htonl(host);
        m->peers[i].sin_port = htons(port);
        m->headers[i].msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
    }

    /* Send the first `count`, waiting where the queue is full; how many the kernel took. */
    static inline int many_send(many *m, int fd, int count) {
        int at = 0, sent = 0, done;
        while (at < count) {
            done = sendmmsg(fd, m->headers + at, (unsigned)(count - at), MSG_DONTWAIT);
            if (done > 0) {
                at += done;
                sent += done;
            } else if (errno == EAGAIN || errno == ENOBUFS) {
                struct pollfd wait = {fd, POLLOUT, 0};
                poll(&wait, 1, 1);
            } else if (errno != EINTR) {
                at++;
            }
        }
        return sent;
    }

    static inline int readable(int fd, double seconds) {
        struct pollfd wait = {fd, POLLIN, 0};
        struct timespec length;
        length.tv_sec = (time_t)seconds;
        length.tv_nsec = (long)((seconds - (double)length.tv_sec) * 1e9);
        return ppoll(&wait, 1, &length, NULL);
    }

    static inline double clock_now(void) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    }
    static inline uint32_t peer_host(many *m, int i) { return ntohl(m->peers[i].sin_addr.s_addr); }
    static inline unsigned received_size(many *m, int i) { return m->headers[i].msg_len; }
    static inline void set_size(many *m, int i, size_t size) { m->parts[i].iov_len = size; }
    static inline unsigned char *place(many *m, int i) { return m->data[i]; }
    """
    enum:
        MANY
        ROOM
    ctypedef struct many:
        pass
    void many_init(many *m) noexcept nogil
    int many_receive(many *m, int fd, int with_local) noexcept nogil
    uint32_t many_local(many *m, int i) noexcept nogil
    void many_from(many *m, int i, uint32_t local) noexcept nogil
    void many_to(many *m, int i, uint32_t host, uint16_t port) noexcept nogil
    int many_send(many *m, int fd, int count) noexcept nogil
    int readable(int fd, double seconds) noexcept nogil
    double clock_now() noexcept nogil
    uint32_t peer_host(many *m, int i) noexcept nogil
    unsigned received_size(many *m, int i) noexcept nogil
    void set_size(many *m, int i, size_t size) noexcept nogil
    uint8_t *place(many *m, int i) noexcept nogil
