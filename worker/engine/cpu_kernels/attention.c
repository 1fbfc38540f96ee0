/*
 * Attention over the KV cache, for a CPU.
 *
 * torch's kernel widens bfloat16 keys for a library at each call, and costs more per call than a
 * short request's attention. This one reads each key once for all query heads that share it, and
 * for several tokens of a request.
 *
 * Each of T tokens has a row in `query` and `output`. Token t attends to the positions of slot
 * `slots[t]` up to its own, `positions[t]`; a negative slot is padding. The cache is
 * [2, slots, H_kv, positions, D]: keys, then values. Numbers are float or bfloat16, sums float.
 * D is a multiple of 16.
 *
 * The vectors are GCC's, for any processor. Functions take `is_half`, 1 for bfloat16, as a
 * constant: the compiler makes one variant for each number format.
 */

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif
#define HEADS 6 /* Queries computed at once: their sums stay in registers. */
#define INLINE static inline __attribute__((always_inline))

typedef float Floats __attribute__((vector_size(4 * LANES)));
typedef int32_t Ints __attribute__((vector_size(4 * LANES)));
typedef uint32_t Bits __attribute__((vector_size(4 * LANES)));
typedef uint16_t Halves __attribute__((vector_size(2 * LANES)));

/* Tensors of a call. Strides count numbers; the numbers of one head are contiguous. */
typedef struct {
    const void *query, *key, *value;
    void *cache, *output;
    const int64_t *slots, *positions, *spans;
    int64_t query_stride, query_head_stride, key_stride, key_head_stride;
    int64_t value_stride, value_head_stride, half_stride;
    int64_t num_tokens, num_spans, num_heads, num_kv_heads, head_dim, num_slots, max_positions;
    int64_t window;
    float scale;
} Call;

INLINE Floats load(const void *numbers, int64_t index, const int is_half) {
    Floats floats;
    if (is_half) {
        Halves halves;
        memcpy(&halves, (const uint16_t *)numbers + index, sizeof halves);
        return (Floats)(__builtin_convertvector(halves, Bits) << 16);
    }
    memcpy(&floats, (const float *)numbers + index, sizeof floats);
    return floats;
}

INLINE void store(void *numbers, int64_t index, Floats floats, const int is_half) {
    if (is_half) {
        /* Round to nearest, ties to even. A NaN stays one: its quiet bit is in the upper half. */
        Bits bits = (Bits)floats;
        bits = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        Halves halves = __builtin_convertvector(bits, Halves);
        memcpy((uint16_t *)numbers + index, &halves, sizeof halves);
    } else {
        memcpy((float *)numbers + index, &floats, sizeof floats);
    }
}

INLINE Floats select_lanes(Ints mask, Floats floats, Floats others) {
    return (Floats)((mask & (Ints)floats) | (~mask & (Ints)others));
}

/* 2 to the power of each number up to 0; less than 2^-126 is 0, and a NaN stays one. */
INLINE Floats exp2_lanes(Floats x) {
    const Floats lowest = (Floats){} - 126.0f;
    const Ints is_tiny = x < lowest;
    x = select_lanes(is_tiny, lowest, x);
    const Ints whole = __builtin_convertvector(x - 0.5f, Ints);
    const Floats rest = x - __builtin_convertvector(whole, Floats);
    /* Taylor series of 2^rest around 0; rest lies between -0.5 and 0.5. */
    Floats sum = rest * 1.5403530e-4f + 1.3333558e-3f;
    sum = sum * rest + 9.6181291e-3f;
    sum = sum * rest + 5.5504109e-2f;
    sum = sum * rest + 2.4022651e-1f;
    sum = sum * rest + 6.9314718e-1f;
    sum = sum * rest + 1.0f;
    return select_lanes(is_tiny, (Floats){}, sum * (Floats)((whole + 127) << 23));
}

/*
 * Lay LANES keys out with one lane each: tile[d] holds number d of all keys, or of bfloat16 numbers
 * 2 d and 2 d + 1. Lanes beyond `count` keep older keys.
 */
INLINE void fill_tile(Bits *tile, const void *keys, int64_t count, int64_t dim, const int is_half) {
    const int64_t words = is_half ? dim / 2 : dim;
    for (int64_t lane = 0; lane < count; lane++) {
        const uint32_t *key = (const uint32_t *)keys + lane * words;
        for (int64_t d = 0; d < words; d++) ((uint32_t *)&tile[d])[lane] = key[d];
    }
}

/* Scores of LANES keys for HEADS queries `[HEADS, dim]`. */
INLINE void score_tile(
    Floats *scores, const float *queries, const Bits *tile, int64_t dim, const int is_half
) {
    Floats sums[HEADS] = {};
    for (int64_t d = 0; d < dim; d += 2) {
        const Bits *words = is_half ? &tile[d / 2] : &tile[d];
        const Floats first = (Floats)(is_half ? words[0] << 16 : words[0]);
        const Floats second = (Floats)(is_half ? words[0] & 0xffff0000u : words[1]);
        for (int head = 0; head < HEADS; head++) {
            const float *query = queries + head * dim + d;
            sums[head] += first * query[0] + second * query[1];
        }
    }
    for (int head = 0; head < HEADS; head++) scores[head] = sums[head];
}

/*
 * Turn the scores of keys `first` up to `end` into weights, and the other `num_scores` into zeros.
 * Returns the factor that makes the sum of the weights 1.
 */
INLINE float weigh(float *scores, int64_t first, int64_t end, int64_t num_scores) {
    for (int64_t key = 0; key < first; key++) scores[key] = -INFINITY;
    for (int64_t key = end; key < num_scores; key++) scores[key] = -INFINITY;
    Floats *blocks = (Floats *)scores;
    const int64_t num_blocks = num_scores / LANES;
    Floats largest = blocks[0];
    for (int64_t block = 1; block < num_blocks; block++)
        largest = select_lanes(blocks[block] > largest, blocks[block], largest);
    float top = largest[0];
    for (int lane = 1; lane < LANES; lane++) top = largest[lane] > top ? largest[lane] : top;
    Floats sums = {};
    for (int64_t block = 0; block < num_blocks; block++)
        sums += blocks[block] = exp2_lanes(blocks[block] - top);
    float total = 0;
    for (int lane = 0; lane < LANES; lane++) total += sums[lane];
    return 1 / total;
}

/* Write the weighted sums of `count` values for up to HEADS heads. */
INLINE void sum_values(
    void **outputs, const void *values, const float *weights, int64_t stride, const float *factors,
    int64_t count, int64_t num_heads, int64_t dim, const int is_half
) {
    for (int64_t d = 0; d < dim; d += LANES) {
        Floats sums[HEADS] = {};
        for (int64_t position = 0; position < count; position++) {
            const Floats value = load(values, position * dim + d, is_half);
            for (int head = 0; head < HEADS; head++)
                sums[head] += value * weights[head * stride + position];
        }
        for (int64_t head = 0; head < num_heads; head++)
            store(outputs[head], d, sums[head] * factors[head], is_half);
    }
}

/*
 * Attend from a span of tokens, whose positions follow each other in one slot, to the keys of one
 * key-value head. `scratch` has what `count_scratch` returns.
 */
INLINE void attend_span(
    const Call *call, int64_t token, int64_t num_tokens, int64_t kv_head, float *scratch,
    const int is_half
) {
    const int64_t dim = call->head_dim, itemsize = is_half ? 2 : 4;
    const int64_t group = call->num_heads / call->num_kv_heads, num_queries = group * num_tokens;
    const int64_t window = call->window, first_end = call->positions[token] + 1;
    /* A multiple of LANES, so that sums do not depend on how a request is cut into spans. */
    const int64_t start = first_end > window ? (first_end - window) / LANES * LANES : 0;
    const int64_t num_keys = first_end + num_tokens - 1 - start;
    const int64_t stride = (num_keys + LANES - 1) / LANES * LANES;
    const int64_t place = (call->slots[token] * call->num_kv_heads + kv_head) * call->max_positions;
    const char *keys = (const char *)call->cache + (place + start) * dim * itemsize;
    const char *values = keys + call->half_stride * itemsize;
    Bits *tile = (Bits *)scratch;
    float *queries = scratch + dim * LANES;
    float *scores = queries + (num_queries + HEADS) / HEADS * HEADS * dim;

    /* The softmax has powers of 2, so the scale also changes the base. */
    const float scale = call->scale * 1.44269504f;
    for (int64_t query = 0; query < num_queries; query++) {
        const int64_t index = (token + query / group) * call->query_stride
            + (kv_head * group + query % group) * call->query_head_stride;
        for (int64_t d = 0; d < dim; d += LANES)
            store(queries, query * dim + d, load(call->query, index + d, is_half) * scale, 0);
    }
    for (int64_t first = 0; first < num_keys; first += LANES) {
        const int64_t left = num_keys - first;
        fill_tile(tile, keys + first * dim * itemsize, left < LANES ? left : LANES, dim, is_half);
        for (int64_t query = 0; query < num_queries; query += HEADS) {
            Floats tile_scores[HEADS];
            score_tile(tile_scores, queries + query * dim, tile, dim, is_half);
            for (int64_t lane = 0; lane < HEADS; lane++)
                *(Floats *)(scores + (query + lane) * stride + first) = tile_scores[lane];
        }
    }
    for (int64_t query = 0; query < num_queries; query += HEADS) {
        float factors[HEADS] = {};
        void *outputs[HEADS] = {};
        float *weights = scores + query * stride;
        const int64_t used = num_queries - query < HEADS ? num_queries - query : HEADS;
        for (int64_t lane = 0; lane < used; lane++) {
            const int64_t offset = (query + lane) / group, end = first_end + offset - start;
            const int64_t skipped = end > window ? end - window : 0;
            factors[lane] = weigh(weights + lane * stride, skipped, end, stride);
            const int64_t head = kv_head * group + (query + lane) % group;
            const int64_t row = (token + offset) * call->num_heads + head;
            outputs[lane] = (char *)call->output + row * dim * itemsize;
        }
        sum_values(outputs, values, weights, stride, factors, num_keys, used, dim, is_half);
    }
}

/* Numbers of scratch memory for a span: a tile, the queries and the scores. */
static int64_t count_scratch(const Call *call) {
    int64_t longest = 0, tokens = 0;
    for (int64_t span = 0; span < call->num_spans; span++) {
        const int64_t token = call->spans[2 * span], count = call->spans[2 * span + 1];
        const int64_t end = call->positions[token] + count;
        if (end > longest) longest = end;
        if (count > tokens) tokens = count;
    }
    const int64_t queries = (call->num_heads / call->num_kv_heads * tokens + HEADS) / HEADS * HEADS;
    return call->head_dim * LANES + queries * (call->head_dim + longest + LANES);
}

/* Store the keys and values of all tokens but padding. */
static void store_tokens(const Call *call, int64_t itemsize) {
    const int64_t bytes = call->head_dim * itemsize;
    for (int64_t token = 0; token < call->num_tokens; token++) {
        if (call->slots[token] < 0) continue;
        for (int64_t head = 0; head < call->num_kv_heads; head++) {
            const int64_t block = call->slots[token] * call->num_kv_heads + head;
            const int64_t row = block * call->max_positions + call->positions[token];
            const int64_t key = token * call->key_stride + head * call->key_head_stride;
            const int64_t value = token * call->value_stride + head * call->value_head_stride;
            char *place = (char *)call->cache + row * bytes;
            memcpy(place, (const char *)call->key + key * itemsize, bytes);
            place += call->half_stride * itemsize;
            memcpy(place, (const char *)call->value + value * itemsize, bytes);
        }
    }
}

INLINE int run(const Call *call, const int is_half) {
    for (int64_t token = 0; token < call->num_tokens; token++)
        if (call->slots[token] >= call->num_slots || call->positions[token] < 0
            || call->positions[token] >= call->max_positions)
            return 1;
    store_tokens(call, is_half ? 2 : 4);
    const int64_t num_tasks = call->num_spans * call->num_kv_heads;
    const int64_t size = (count_scratch(call) + 15) / 16 * 16;
    float *scratch = aligned_alloc(64, size * sizeof(float) * omp_get_max_threads());
    if (scratch == NULL) return 2;
#pragma omp parallel for schedule(dynamic) if (num_tasks > 1)
    for (int64_t task = 0; task < num_tasks; task++) {
        const int64_t *span = call->spans + task / call->num_kv_heads * 2;
        attend_span(call, span[0], span[1], task % call->num_kv_heads,
                    scratch + size * omp_get_thread_num(), is_half);
    }
    free(scratch);
    return 0;
}

/*
 * Store the keys and values of all tokens, then attend from those of the spans: first token and
 * number of tokens of each.
 *
 * Returns 0, 1 if a slot or position lies outside of the cache (nothing is done then), or 2 if
 * there was no memory.
 */
int attend_float(const Call *call) { return run(call, 0); }
int attend_bfloat16(const Call *call) { return run(call, 1); }
