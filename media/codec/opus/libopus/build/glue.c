/* What the Go side calls: an encoder and a decoder in static memory, so that no
 * allocator is needed. Results below zero are libopus' error codes. */
#include "opus.h"

#define EXPORT(name) __attribute__((export_name(#name)))

extern unsigned char __heap_base;

#define MAX_SAMPLES 5760 /* 120 ms at 48 kHz, the longest packet (RFC 6716 3.2.5) */
#define MAX_PACKET 1500

static opus_int16 pcm_buf[MAX_SAMPLES];
static unsigned char packet_buf[MAX_PACKET];
/* Of opus_encoder_get_size(2) and opus_decoder_get_size(1); checked at start. */
static long long decoder_buf[DECODER_SIZE / 8];
static long long encoder_buf[ENCODER_SIZE / 8];
#define ENC ((OpusEncoder *)(void *)encoder_buf)
#define DEC ((OpusDecoder *)(void *)decoder_buf)

EXPORT(pcm) opus_int16 *pcm(void) { return pcm_buf; }
EXPORT(packet) unsigned char *packet(void) { return packet_buf; }
/* The first octet that is not used. */
EXPORT(end) unsigned char *end(void) { return &__heap_base; }

EXPORT(encoder_init) int encoder_init(int rate, int channels) {
	if (opus_encoder_get_size(channels) > (int)sizeof encoder_buf)
		return OPUS_ALLOC_FAIL;
	return opus_encoder_init(ENC, rate, channels, OPUS_APPLICATION_VOIP);
}

EXPORT(encoder_set) int encoder_set(int request, int value) { return opus_encoder_ctl(ENC, request, value); }

/* samples of each channel; max bytes. */
EXPORT(encode) int encode(int samples, int max) {
	if (samples < 0 || samples > MAX_SAMPLES || max < 1 || max > MAX_PACKET)
		return OPUS_BAD_ARG;
	return opus_encode(ENC, pcm_buf, samples, packet_buf, max);
}

EXPORT(decoder_init) int decoder_init(int rate) {
	if (opus_decoder_get_size(1) > (int)sizeof decoder_buf)
		return OPUS_ALLOC_FAIL;
	return opus_decoder_init(DEC, rate, 1);
}

/* len 0 conceals samples; fec takes the copy of the frame before from the packet. */
EXPORT(decode) int decode(int len, int samples, int fec) {
	if (len < 0 || len > MAX_PACKET || samples < 0 || samples > MAX_SAMPLES)
		return OPUS_BAD_ARG;
	return opus_decode(DEC, len ? packet_buf : 0, len, pcm_buf, samples, fec);
}
