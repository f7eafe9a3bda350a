import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * W0 and W1 by Kafka Streams: exactly once, a commit every 100 ms, one thread; the state in an in-memory store with its
 * changelog. Records are read and written by hand, without an Avro library. Runs until SIGTERM.
 */
public final class Bench {
  static final String STORE = "state";
  static final long MINUTE = 60_000_000L;
  static final long TOO_LATE = 5 * MINUTE;
  static final double ALPHA = 2.0 / 21.0;
  static final int IN_ID = 900_001;
  static final int OUT_ID = 900_002;
  static final int COPY_ID = 900_003;

  public static void main(String[] arguments) throws Exception {
    JsonNode options = new ObjectMapper().readTree(arguments[0]);
    boolean copying = options.get("workload").asText().equals("w0");
    Topology topology = new Topology();
    topology.addSource("in", options.get("input").asText());
    topology.addProcessor("work", copying ? Copying::new : Enriching::new, "in");
    if (!copying) {
      topology.addStateStore(
          Stores.keyValueStoreBuilder(
                  Stores.inMemoryKeyValueStore(STORE), Serdes.ByteArray(), Serdes.ByteArray())
              .withCachingEnabled(),
          "work");
    }
    topology.addSink("out", options.get("output").asText(), "work");
    KafkaStreams streams = new KafkaStreams(topology, settings(options));
    CountDownLatch stopped = new CountDownLatch(1);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  streams.close(java.time.Duration.ofSeconds(8));
                  stopped.countDown();
                }));
    streams.start();
    stopped.await();
  }

  private static Properties settings(JsonNode options) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "moodtape." + options.get("name").asText());
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("bootstrap").asText());
    settings.put(StreamsConfig.STATE_DIR_CONFIG, options.get("data_dir").asText() + "/kstreams");
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 32 * 1024 * 1024);
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 2000);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 262_144);
    return settings;
  }

  /** A quote as it lies in the topic. */
  static final class Quote {
    String source;
    String symbol;
    long eventTime;
    long ingestTime;
    double price;
    double size;
    Double bid;
    Double ask;

    /** Null for what cannot be decoded. */
    static Quote read(byte[] value) {
      try {
        ByteBuffer in = ByteBuffer.wrap(value);
        if (in.get() != 0 || in.getInt() != IN_ID) {
          return null;
        }
        in.order(ByteOrder.LITTLE_ENDIAN);
        Quote quote = new Quote();
        quote.source = text(in);
        quote.symbol = text(in);
        quote.eventTime = number(in);
        quote.ingestTime = number(in);
        quote.price = in.getDouble();
        quote.size = in.getDouble();
        quote.bid = number(in) == 0 ? null : (Double) in.getDouble();
        quote.ask = number(in) == 0 ? null : (Double) in.getDouble();
        return quote;
      } catch (BufferUnderflowException error) {
        return null;
      }
    }

    private static String text(ByteBuffer in) {
      byte[] bytes = new byte[(int) number(in)];
      in.get(bytes);
      return new String(bytes, StandardCharsets.UTF_8);
    }

    private static long number(ByteBuffer in) {
      long n = 0;
      for (int shift = 0; ; shift += 7) {
        byte next = in.get();
        n |= (long) (next & 127) << shift;
        if (next >= 0) {
          return n >>> 1 ^ -(n & 1);
        }
      }
    }
  }

  /** Avro by hand. */
  static final class Writer {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream(256);

    Writer(int schema) {
      out.write(0);
      for (int shift = 24; shift >= 0; shift -= 8) {
        out.write(schema >>> shift);
      }
    }

    Writer text(String text) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      number(bytes.length);
      out.writeBytes(bytes);
      return this;
    }

    Writer number(long value) {
      long n = value << 1 ^ value >> 63;
      while ((n & ~127L) != 0) {
        out.write((int) (n & 127 | 128));
        n >>>= 7;
      }
      out.write((int) n);
      return this;
    }

    Writer real(double value) {
      long bits = Double.doubleToRawLongBits(value);
      for (int shift = 0; shift < 64; shift += 8) {
        out.write((int) (bits >>> shift));
      }
      return this;
    }

    Writer optional(Double value) {
      return value == null ? number(0) : number(1).real(value);
    }

    byte[] bytes() {
      return out.toByteArray();
    }
  }

  /** W0. */
  static final class Copying implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      Quote quote = Quote.read(record.value());
      if (quote != null) {
        Writer out = new Writer(COPY_ID).text(quote.source).text(quote.symbol);
        out.number(quote.eventTime).number(quote.ingestTime).real(quote.price).real(quote.size);
        context.forward(record.withValue(out.optional(quote.bid).optional(quote.ask).bytes()));
      }
    }
  }

  /** W1. */
  static final class Enriching implements Processor<byte[], byte[], byte[], byte[]> {
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<byte[], byte[]> store;

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.store = context.getStateStore(STORE);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
      Quote quote = Quote.read(record.value());
      if (quote == null || !(quote.price > 0.0) || !known(quote.symbol)) {
        return;
      }
      State state = State.read(store.get(record.key()));
      if (quote.eventTime < state.newest - TOO_LATE) {
        return;
      }
      double deviation = state.fold(quote);
      store.put(record.key(), state.bytes());
      Writer out = new Writer(OUT_ID).text(quote.source).text(quote.symbol);
      out.number(quote.eventTime).number(quote.ingestTime).real(quote.price).real(state.ema);
      out.real(state.sum / state.count).real(deviation).number(state.count).number(state.bar);
      out.real(state.open).real(state.high).real(state.low).real(state.close).real(state.volume);
      context.forward(record.withValue(out.bytes()));
    }

    private static boolean known(String symbol) {
      return symbol.length() == 4 && symbol.charAt(0) == 'S' && symbol.compareTo("S500") < 0;
    }
  }

  /** State of one symbol; the window is a ring. */
  static final class State {
    private static final int WINDOW = 20;
    final double[] window = new double[WINDOW];
    long newest;
    long bar = -1;
    int count;
    int oldest;
    double ema;
    double sum;
    double squares;
    double open;
    double high;
    double low;
    double close;
    double volume;

    static State read(byte[] bytes) {
      State state = new State();
      if (bytes != null) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        state.newest = in.getLong();
        state.bar = in.getLong();
        state.count = in.getInt();
        state.oldest = in.getInt();
        state.ema = in.getDouble();
        state.sum = in.getDouble();
        state.squares = in.getDouble();
        state.open = in.getDouble();
        state.high = in.getDouble();
        state.low = in.getDouble();
        state.close = in.getDouble();
        state.volume = in.getDouble();
        for (int n = 0; n < state.count; n++) {
          state.window[n] = in.getDouble();
        }
      }
      return state;
    }

    byte[] bytes() {
      ByteBuffer out = ByteBuffer.allocate(8 * (11 + count));
      out.putLong(newest).putLong(bar).putInt(count).putInt(oldest);
      out.putDouble(ema).putDouble(sum).putDouble(squares);
      out.putDouble(open).putDouble(high).putDouble(low).putDouble(close).putDouble(volume);
      for (int n = 0; n < count; n++) {
        out.putDouble(window[n]);
      }
      return out.array();
    }

    /** Returns the deviation. */
    double fold(Quote quote) {
      double price = quote.price;
      ema = newest == 0 && count == 0 ? price : ema + ALPHA * (price - ema);
      newest = Math.max(newest, quote.eventTime);
      sum += price;
      squares += price * price;
      if (count < WINDOW) {
        window[count++] = price;
      } else {
        double gone = window[oldest];
        window[oldest] = price;
        oldest = (oldest + 1) % WINDOW;
        sum -= gone;
        squares -= gone * gone;
      }
      double mean = sum / count;
      double variance = squares / count - mean * mean;
      foldBar(quote.eventTime - Math.floorMod(quote.eventTime, MINUTE), price, quote.size);
      return variance > 0.0 ? Math.sqrt(variance) : 0.0;
    }

    private void foldBar(long start, double price, double size) {
      if (start > bar) {
        bar = start;
        open = high = low = close = price;
        volume = size;
      } else if (start == bar) {
        high = Math.max(high, price);
        low = Math.min(low, price);
        close = price;
        volume += size;
      }
    }
  }
}
