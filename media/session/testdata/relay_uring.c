/* As relay.c, by io_uring: one multishot receive for each leg into a ring of provided
 * buffers, sends queued and submitted with the next wait in one system call. No
 * library: the ring is mapped here. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <poll.h>

enum { ENTRIES = 4096, BUFFERS = 4096, SIZE = 2048 };

struct leg {
	int fd;
	struct sockaddr_in peer;
	uint32_t ssrc, shift;
	uint16_t seq;
	uint64_t in, out, strangers;
};

static void fail(const char *what) { perror(what); exit(1); }

static unsigned *sq_tail, *sq_head, *cq_head, *cq_tail, sq_mask, cq_mask, queued, tail;
static struct io_uring_sqe *sqes;
static struct io_uring_cqe *cqes;
static struct io_uring_buf_ring *bufs;
static unsigned char *mem;
static struct msghdr out[BUFFERS];
static struct iovec iov[BUFFERS];
static uint16_t btail;
static int ring;

static void give(unsigned id)
{
	struct io_uring_buf *b = &bufs->bufs[btail++ & (BUFFERS - 1)];
	b->addr = (uint64_t)(mem + (size_t)id * SIZE);
	b->len = SIZE;
	b->bid = id;
	__atomic_store_n(&bufs->tail, btail, __ATOMIC_RELEASE);
}

static void enter(unsigned wait)
{
	__atomic_store_n(sq_tail, tail, __ATOMIC_RELEASE);
	int n = syscall(SYS_io_uring_enter, ring, queued, wait, wait ? IORING_ENTER_GETEVENTS : 0, 0, 0);
	if (n > 0) queued -= n;
}

static struct io_uring_sqe *sqe(void)
{
	while (tail - __atomic_load_n(sq_head, __ATOMIC_ACQUIRE) >= ENTRIES) enter(0);
	struct io_uring_sqe *s = &sqes[tail++ & sq_mask];
	queued++;
	memset(s, 0, sizeof *s);
	return s;
}

static struct msghdr in_hdr = {.msg_namelen = sizeof(struct sockaddr_in)};

static void receive(struct leg *legs, int i)
{
	struct io_uring_sqe *s = sqe();
	s->opcode = IORING_OP_RECVMSG;
	s->fd = legs[i].fd;
	s->ioprio = IORING_RECV_MULTISHOT;
	s->addr = (uint64_t)&in_hdr;
	s->len = 1;
	s->flags = IOSQE_BUFFER_SELECT;
	s->user_data = i;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 2;
	struct leg *legs = calloc(n, sizeof *legs);
	struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE, .cq_entries = 4 * ENTRIES};
	ring = syscall(SYS_io_uring_setup, ENTRIES, &p);
	if (ring < 0) fail("io_uring_setup");
	size_t size = p.sq_off.array + p.sq_entries * 4, csize = p.cq_off.cqes + p.cq_entries * sizeof *cqes;
	if (csize > size) size = csize;
	char *m = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
	sqes = mmap(0, p.sq_entries * sizeof *sqes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
	if (m == MAP_FAILED || sqes == MAP_FAILED) fail("mmap");
	sq_head = (unsigned *)(m + p.sq_off.head), sq_tail = (unsigned *)(m + p.sq_off.tail), sq_mask = *(unsigned *)(m + p.sq_off.ring_mask);
	cq_head = (unsigned *)(m + p.cq_off.head), cq_tail = (unsigned *)(m + p.cq_off.tail), cq_mask = *(unsigned *)(m + p.cq_off.ring_mask);
	cqes = (void *)(m + p.cq_off.cqes);
	for (unsigned i = 0; i < p.sq_entries; i++) ((unsigned *)(m + p.sq_off.array))[i] = i;
	mem = mmap(0, (size_t)BUFFERS * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bufs = mmap(0, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)bufs, .ring_entries = BUFFERS};
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_PBUF_RING, &reg, 1) < 0) fail("buffers");
	for (unsigned i = 0; i < BUFFERS; i++) give(i);
	for (int i = 0; i < n; i++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t len = sizeof a;
		legs[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
		if (legs[i].fd < 0 || bind(legs[i].fd, (void *)&a, len) < 0) fail("socket");
		getsockname(legs[i].fd, (void *)&a, &len);
		int tos = 46 << 2;
		setsockopt(legs[i].fd, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
		legs[i].ssrc = 1000 + i;
		printf("%d\n", ntohs(a.sin_port));
	}
	fflush(stdout);
	for (int i = 0; i < n; i++) {
		int port;
		if (scanf("%d", &port) != 1) return 1;
		legs[i].peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	}
	printf("ready\n");
	fflush(stdout);
	for (int i = 0; i < n; i++) receive(legs, i);
	struct io_uring_sqe *s = sqe();
	s->opcode = IORING_OP_POLL_ADD;
	s->fd = 0;
	s->poll32_events = POLLIN | POLLHUP;
	s->user_data = ~0ull;
	for (;;) {
		enter(1);
		unsigned head = *cq_head, end = __atomic_load_n(cq_tail, __ATOMIC_ACQUIRE);
		for (; head != end; head++) {
			struct io_uring_cqe *c = &cqes[head & cq_mask];
			if (c->user_data == ~0ull) return 0;
			if (c->user_data >> 32) { /* a send is done: its buffer is free */
				give((uint32_t)c->user_data);
				continue;
			}
			int i = c->user_data;
			struct leg *l = &legs[i], *d = &legs[i ^ 1];
			if (!(c->flags & IORING_CQE_F_MORE)) receive(legs, i);
			if (!(c->flags & IORING_CQE_F_BUFFER)) continue;
			unsigned id = c->flags >> IORING_CQE_BUFFER_SHIFT;
			unsigned char *raw = mem + (size_t)id * SIZE;
			struct io_uring_recvmsg_out *o = (void *)raw;
			struct sockaddr_in *from = (void *)(raw + sizeof *o);
			unsigned char *b = raw + sizeof *o + sizeof *from;
			if (c->res < 0 || o->payloadlen < 12) { give(id); continue; }
			if (from->sin_port != l->peer.sin_port || from->sin_addr.s_addr != l->peer.sin_addr.s_addr) {
				l->strangers++;
				give(id);
				continue;
			}
			if (b[0] >> 6 != 2 || (b[1] & 0x7F) != 8) { give(id); continue; }
			l->in++;
			uint32_t ts;
			memcpy(&ts, b + 4, 4);
			ts = htonl(ntohl(ts) + d->shift);
			uint32_t ssrc = htonl(d->ssrc);
			uint16_t seq = htons(++d->seq);
			memcpy(b + 2, &seq, 2);
			memcpy(b + 4, &ts, 4);
			memcpy(b + 8, &ssrc, 4);
			s = sqe();
			s->opcode = IORING_OP_SENDMSG;
			s->fd = d->fd;
			iov[id] = (struct iovec){b, o->payloadlen};
			out[id] = (struct msghdr){.msg_name = &d->peer, .msg_namelen = sizeof d->peer, .msg_iov = &iov[id], .msg_iovlen = 1};
			s->addr = (uint64_t)&out[id];
			s->len = 1;
			s->msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
			s->user_data = 1ull << 32 | id;
			d->out++;
		}
		__atomic_store_n(cq_head, head, __ATOMIC_RELEASE);
	}
}
