/* What libopus of the system costs by itself, for TestOpusCost: CPU nanoseconds a
 * frame of 20 ms. The loops are those of the Go side, in C.
 *
 *   opus PCM RATE BITRATE COMPLEXITY FEC LOSS ROUNDS
 *
 * PCM is a file of 16-bit mono at RATE and at 8 kHz behind one another, of equal
 * length in frames. It prints "encode N", "decode N", "path N": path is one frame of
 * Opus to A-law and one of A-law to Opus, both at 8 kHz. */
#define _GNU_SOURCE
#include <opus/opus.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t cpu(void) {
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) { fprintf(stderr, "%s\n", what); exit(1); }

static uint8_t alaw[65536];
static int16_t linear[256];

/* ITU-T G.711 table 1: 13 bits, even bits inverted. */
static void tables(void) {
	for (int v = 0; v < 256; v++) {
		int a = v ^ 0x55, t = (a & 15) << 4, seg = (a & 0x70) >> 4;
		t += seg ? 0x108 : 8;
		if (seg > 1) t <<= seg - 1;
		linear[v] = a & 0x80 ? t : -t;
	}
	for (int i = 0; i < 65536; i++) {
		int s = (int16_t)i, best = 0, d = 1 << 20;
		for (int seg = 0; seg < 256; seg++) {
			int e = abs(linear[seg] - s);
			if (e < d) d = e, best = seg;
		}
		alaw[i] = best;
	}
}

static OpusEncoder *encoder(int rate, int bitrate, int complexity, int fec, int loss) {
	int err;
	OpusEncoder *e = opus_encoder_create(rate, 1, OPUS_APPLICATION_VOIP, &err);
	if (err) die("encoder");
	opus_encoder_ctl(e, OPUS_SET_BITRATE(bitrate));
	opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(complexity));
	opus_encoder_ctl(e, OPUS_SET_INBAND_FEC(fec));
	opus_encoder_ctl(e, OPUS_SET_PACKET_LOSS_PERC(loss));
	opus_encoder_ctl(e, OPUS_SET_DTX(0));
	opus_encoder_ctl(e, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	return e;
}

int main(int argc, char **argv) {
	if (argc != 8) die("arguments");
	int rate = atoi(argv[2]), bitrate = atoi(argv[3]), complexity = atoi(argv[4]), fec = atoi(argv[5]), loss = atoi(argv[6]), rounds = atoi(argv[7]);
	int frame = rate / 50, err;
	FILE *f = fopen(argv[1], "rb");
	if (!f) die("file");
	fseek(f, 0, SEEK_END);
	long size = ftell(f);
	rewind(f);
	int frames = size / 2 / (frame + 160);
	int16_t *pcm = malloc(size), *low = pcm + (long)frames * frame;
	if (fread(pcm, 1, size, f) != (size_t)size) die("read");
	tables();
	typedef struct { int n; uint8_t b[1500]; } packet;
	packet *packets = calloc(frames, sizeof *packets);
	int64_t encode = INT64_MAX, decode = INT64_MAX, path = INT64_MAX;
	uint8_t *law = malloc(frames * 160), in[160];
	for (int i = 0; i < frames * 160; i++) law[i] = alaw[(uint16_t)low[i]];
	for (int r = 0; r < rounds; r++) {
		int16_t out[5760];
		uint8_t code[1500];
		OpusEncoder *e = encoder(rate, bitrate, complexity, fec, loss);
		int64_t t = cpu();
		for (int i = 0; i < frames; i++)
			if ((packets[i].n = opus_encode(e, pcm + (long)i * frame, frame, packets[i].b, 1500)) < 0) die("encode");
		t = cpu() - t;
		if (t < encode) encode = t;
		opus_encoder_destroy(e);
		OpusDecoder *d = opus_decoder_create(rate, 1, &err);
		t = cpu();
		for (int i = 0; i < frames; i++)
			if (opus_decode(d, packets[i].b, packets[i].n, out, 5760, 0) < 0) die("decode");
		t = cpu() - t;
		if (t < decode) decode = t;
		opus_decoder_destroy(d);
		e = encoder(8000, bitrate, complexity, fec, loss);
		d = opus_decoder_create(8000, 1, &err);
		t = cpu();
		for (int i = 0; i < frames; i++) {
			int n = opus_decode(d, packets[i].b, packets[i].n, out, 960, 0);
			if (n < 0) die("decode");
			for (int k = 0; k < n && k < 160; k++) in[k] = alaw[(uint16_t)out[k]];
			for (int k = 0; k < 160; k++) out[k] = linear[law[i * 160 + k]];
			if (opus_encode(e, out, 160, code, 1500) < 0) die("encode");
		}
		t = cpu() - t;
		if (t < path) path = t;
		opus_encoder_destroy(e);
		opus_decoder_destroy(d);
	}
	printf("encode %lld\ndecode %lld\npath %lld\n", (long long)(encode / frames), (long long)(decode / frames), (long long)(path / frames));
	return in[0] == 1 && in[1] == 2; /* so that nothing is left out */
}
