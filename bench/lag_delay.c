// Delay, jitter and loss between two network namespaces, for kernels without netem: two tun devices, joined.
//   cc -O2 -o delay lag_delay.c -lm      delay NS_A IF_A NS_B IF_B DELAY_US [JITTER_US [LOSS_PERMILLE [SEED]]]
// One way each: DELAY_US plus a jitter that wanders (first-order, about a second of memory) between 0 and JITTER_US, as
// Wi-Fi's does. Order is kept. A line "DELAY_US JITTER_US LOSS_PERMILLE" on standard input changes all three while it runs.
// Prints "ready" when both devices exist; needs root; ends with its standard input or by a signal.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 1 << 12, LARGEST = 1600, BATCH = 64 };
typedef unsigned long long ns_t;
struct packet { ns_t due; int length; unsigned char data[LARGEST]; };
struct way { struct packet *ring; unsigned head, tail; ns_t last_due, stepped; double wander; };

static ns_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }

static int open_tun(const char *ns, const char *name) {
	char path[256];
	snprintf(path, sizeof path, "/run/netns/%s", ns);
	int handle = open(path, O_RDONLY);
	if (handle < 0 || setns(handle, CLONE_NEWNET)) { perror(path); exit(1); }
	close(handle);
	struct ifreq request = {0};
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	request.ifr_flags = IFF_TUN | IFF_NO_PI;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request)) { perror("tun"); exit(1); }
	return fd;
}

static ns_t due(struct way *w, ns_t t, double delay_us, double jitter_us) {
	double passed = (t - w->stepped) / 1e9, keep = exp(-passed);
	w->stepped = t;
	w->wander = w->wander * keep + (1 - keep) * 0.5 + sqrt(1 - keep * keep) * (drand48() - 0.5);
	double at = w->wander < 0 ? 0 : w->wander > 1 ? 1 : w->wander;
	ns_t when = t + (ns_t)((delay_us + jitter_us * at) * 1000);
	return w->last_due = when > w->last_due ? when : w->last_due;
}

int main(int count, char **word) {
	if (count < 6) { fprintf(stderr, "delay NS_A IF_A NS_B IF_B DELAY_US [JITTER_US [LOSS_PERMILLE [SEED]]]\n"); return 2; }
	int fd[2] = {open_tun(word[1], word[2]), open_tun(word[3], word[4])};
	double delay_us = atof(word[5]), jitter_us = count > 6 ? atof(word[6]) : 0, loss = count > 7 ? atof(word[7]) / 1000 : 0;
	srand48(count > 8 ? atol(word[8]) : 1);
	prctl(PR_SET_TIMERSLACK, 1000);
	struct way ways[2] = {0};
	for (int i = 0; i < 2; i++) { ways[i].ring = malloc(sizeof(struct packet) * SLOTS); ways[i].wander = 0.5; ways[i].stepped = now(); }
	puts("ready"); fflush(stdout);
	for (;;) {
		ns_t t = now(), next = t + 1000000000ull;
		for (int i = 0; i < 2; i++) {
			struct way *w = &ways[i];
			for (int k = 0; k < BATCH && w->tail - w->head < SLOTS; k++) {
				struct packet *p = &w->ring[w->tail % SLOTS];
				if ((p->length = read(fd[i], p->data, LARGEST)) <= 0) break;
				if (drand48() < loss) continue;
				p->due = due(w, now(), delay_us, jitter_us);
				w->tail++;
			}
			for (t = now(); w->head != w->tail && w->ring[w->head % SLOTS].due <= t; w->head++) {
				struct packet *p = &w->ring[w->head % SLOTS];
				if (write(fd[!i], p->data, p->length) < 0 && errno == EBADF) return 1;
			}
			if (w->head != w->tail && w->ring[w->head % SLOTS].due < next) next = w->ring[w->head % SLOTS].due;
		}
		struct pollfd watched[3] = {{fd[0], POLLIN, 0}, {fd[1], POLLIN, 0}, {0, POLLIN, 0}};
		ns_t wait = next > (t = now()) ? next - t : 0;
		struct timespec span = {wait / 1000000000ull, wait % 1000000000ull};
		ppoll(watched, 3, &span, 0);
		if (watched[2].revents) {
			char line[128];
			int got = read(0, line, sizeof line - 1);
			if (got <= 0) return 0;
			line[got] = 0;
			double permille;
			if (sscanf(line, "%lf %lf %lf", &delay_us, &jitter_us, &permille) == 3) loss = permille / 1000;
		}
	}
}
