// Package music keeps the sources of music that comes while it is heard: a broadcast
// by URL (MP3 or Ogg Opus, as Icecast sends them), or a list of files one after
// another. Each is decoded once and encoded once for each codec in use, whoever and
// how many hear it, and costs nothing while nobody does. While a broadcast is away,
// its fallback is heard; it is asked for again with growing pauses.
//
// Each Source owns two goroutines, one that paces and, while somebody listens, one that
// reads. It is no place for prompts: what is heard begins wherever the source is.
package music
