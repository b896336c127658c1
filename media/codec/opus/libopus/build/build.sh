#!/bin/sh
# Makes libopus.go and libopus.dat: libopus 1.3.1 of Debian's source package, in
# fixed point, compiled to WebAssembly and translated to Go. Needs clang, lld,
# wasi-libc, libclang-rt-14-dev-wasm32 and a deb-src line for bookworm; or
# OPUS_SOURCE=FOLDER with the unpacked source.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$(dirname "$here")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
if [ -n "${OPUS_SOURCE:-}" ]; then
	cp -r "$OPUS_SOURCE" opus
else
	apt-get source --download-only opus
	echo "65b58e1e25b2a114157014736a3d9dfeaad8d41be1c8179866f144a2fb44ff9d  opus_1.3.1.orig.tar.gz" | sha256sum -c
	tar xzf opus_1.3.1.orig.tar.gz
	mv opus-1.3.1 opus
fi
cd opus
# The processor that runs the result has 64-bit registers, whatever wasm32 says.
sed -i 's/^#define OPUS_FAST_INT64 0/#define OPUS_FAST_INT64 1/' celt/arch.h
list() { sed -n "/^$1 *=/,/[^\\\\]\$/p" "$2" | grep -o '[a-z/A-Z0-9_]*\.c'; }
# Stack 48 KB: the encoder at complexity 10 uses 34 KB. It lies first in memory,
# so that an overflow would be caught.
clang --target=wasm32-wasi -O3 ${OPT:-} -mexec-model=reactor -nostartfiles -DNDEBUG -DFIXED_POINT -DDISABLE_FLOAT_API \
	-DVAR_ARRAYS -DOPUS_BUILD -DHAVE_LRINTF -DHAVE_LRINT -DENCODER_SIZE=${ENC:-32768} -DDECODER_SIZE=${DEC:-17792} \
	-Iinclude -Icelt -Isilk -Isilk/fixed -ffunction-sections -fdata-sections -Wno-everything \
	"$here/glue.c" src/opus.c src/opus_decoder.c src/opus_encoder.c src/repacketizer.c \
	$(list CELT_SOURCES celt_sources.mk) $(list SILK_SOURCES silk_sources.mk) $(list SILK_SOURCES_FIXED silk_sources.mk) \
	-o "$work/libopus.wasm" -Wl,--no-entry -Wl,--gc-sections -Wl,--strip-all -Wl,--stack-first -Wl,-z,stack-size=49152 \
	-Wl,--initial-memory=262144 -Wl,--max-memory=262144
go run github.com/ncruces/wasm2go@v0.4.20 -unsafe -embed -pkg libopus -o "$out/libopus.go" "$work/libopus.wasm"
# The buffers end at 135,680; what wasm pages add beyond is cut off.
sed -i 's/make(\[\]byte, 0x40000)/make([]byte, 0x22000)/' "$out/libopus.go"
# A codec's memory is touched by its owner alone, which the race detector sees at the
# calls into this package; inside it would cost thirty times the work.
sed -i 's/^func /\/\/go:norace\nfunc /' "$out/libopus.go"
gofmt -w "$out/libopus.go"
