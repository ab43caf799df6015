import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** A client after Tencent's published Java sample, key pair: Date and Source signed with hmac-sha1. Standard library only. */
public class Main {
    private static final DateTimeFormatter IMF_FIXDATE =
            DateTimeFormatter.ofPattern("EEE, dd MMM yyyy HH:mm:ss 'GMT'", Locale.US);

    public static void main(String[] args) throws Exception {
        Map<String, Object> job = object(new Json(new String(System.in.readAllBytes(), StandardCharsets.UTF_8)).value());
        for (Object each : list(job.get("cases"))) {
            String name = text(object(each).get("name"));
            try {
                System.out.println("{\"name\":" + Json.quote(name) + ",\"status\":" + send(job, object(each)) + "}");
            } catch (Exception error) {
                System.out.println("{\"name\":" + Json.quote(name) + ",\"error\":" + Json.quote(error.toString()) + "}");
            }
        }
        if (job.get("burst") != null) burst(job, object(job.get("burst")));
    }

    static void burst(Map<String, Object> job, Map<String, Object> burst) throws Exception {
        ExecutorService senders = Executors.newFixedThreadPool(((Number) burst.get("senders")).intValue());
        List<Callable<Integer>> requests = new ArrayList<>();
        for (Object each : list(burst.get("cases"))) requests.add(() -> send(job, object(each)));
        long started = System.nanoTime();
        List<String> statuses = new ArrayList<>();
        for (Future<Integer> sent : senders.invokeAll(requests)) statuses.add(String.valueOf(sent.get()));
        double elapsedMs = (System.nanoTime() - started) / 1e6;
        senders.shutdown();
        System.out.println("{\"name\":\"burst\",\"statuses\":[" + String.join(",", statuses) + "],\"elapsedMs\":" + elapsedMs + "}");
    }

    static String sign(String keyId, String secret, String date, String source) throws Exception {
        Mac mac = Mac.getInstance("HmacSHA1");
        mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA1"));
        byte[] signature = mac.doFinal(("date: " + date + "\nsource: " + source).getBytes(StandardCharsets.UTF_8));
        return "hmac id=\"" + keyId + "\", algorithm=\"hmac-sha1\", headers=\"date source\", signature=\""
                + Base64.getEncoder().encodeToString(signature) + "\"";
    }

    static int send(Map<String, Object> job, Map<String, Object> each) throws Exception {
        List<String> pairs = new ArrayList<>();
        for (Object pair : list(each.get("query"))) pairs.add(encode(text(list(pair).get(0))) + "=" + encode(text(list(pair).get(1))));
        List<String> segments = new ArrayList<>();
        for (String segment : text(each.get("path")).split("/")) segments.add(encode(segment).replace("+", "%20"));
        String url = text(job.get("endpoint")) + String.join("/", segments) + (pairs.isEmpty() ? "" : "?" + String.join("&", pairs));
        HttpURLConnection connection = (HttpURLConnection) URI.create(url).toURL().openConnection();
        String source = "watermark";
        String date = ZonedDateTime.now(ZoneOffset.UTC).format(IMF_FIXDATE);
        connection.setRequestMethod(text(each.get("method")));
        connection.setRequestProperty("Accept", "text/html, */*; q=0.01");
        connection.setRequestProperty("Source", source);
        connection.setRequestProperty("Date", date);
        connection.setRequestProperty("Authorization", sign(text(job.get("keyId")), text(job.get("secret")), date, source));
        if (each.get("contentType") != null) connection.setRequestProperty("Content-Type", text(each.get("contentType")));
        if (each.get("headers") != null)
            for (Map.Entry<String, Object> header : object(each.get("headers")).entrySet())
                connection.setRequestProperty(header.getKey(), text(header.getValue()));
        byte[] body = null;
        if (each.get("json") != null) body = Json.write(each.get("json")).getBytes(StandardCharsets.UTF_8);
        if (each.get("bodyBase64") != null) body = Base64.getDecoder().decode(text(each.get("bodyBase64")));
        if (body != null) {
            connection.setDoOutput(true);
            connection.getOutputStream().write(body);
        }
        int status = connection.getResponseCode();
        try (InputStream answer = status < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            if (answer != null) answer.readAllBytes();
        } catch (IOException ignored) {
            // The status is what counts.
        }
        return status;
    }

    static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    static List<Object> list(Object value) {
        return (List<Object>) value;
    }

    static String text(Object value) {
        return (String) value;
    }

    /** Just enough JSON for a job: the standard library has none. */
    static final class Json {
        private final String text;
        private int at;

        Json(String text) {
            this.text = text;
        }

        Object value() {
            skipSpace();
            char first = text.charAt(at);
            if (first == '{') return members();
            if (first == '[') return elements();
            if (first == '"') return string();
            int from = at;
            while (at < text.length() && "},] \n".indexOf(text.charAt(at)) < 0) at++;
            String word = text.substring(from, at);
            return switch (word) {
                case "null" -> null;
                case "true" -> true;
                case "false" -> false;
                default -> word.contains(".") ? (Object) Double.valueOf(word) : (Object) Long.valueOf(word);
            };
        }

        private Map<String, Object> members() {
            Map<String, Object> members = new LinkedHashMap<>();
            at++;
            while (next('}')) {
                skipSpace();
                String name = string();
                skipSpace();
                at++; // the colon
                members.put(name, value());
            }
            return members;
        }

        private List<Object> elements() {
            List<Object> elements = new ArrayList<>();
            at++;
            while (next(']')) elements.add(value());
            return elements;
        }

        /** Steps over a comma, or over the end. */
        private boolean next(char end) {
            skipSpace();
            if (text.charAt(at) == end) {
                at++;
                return false;
            }
            if (text.charAt(at) == ',') at++;
            return true;
        }

        private String string() {
            StringBuilder out = new StringBuilder();
            for (at++; text.charAt(at) != '"'; at++) {
                char c = text.charAt(at);
                if (c != '\\') {
                    out.append(c);
                    continue;
                }
                c = text.charAt(++at);
                int simple = "bfnrt".indexOf(c);
                if (c == 'u') {
                    out.append((char) Integer.parseInt(text.substring(at + 1, at + 5), 16));
                    at += 4;
                } else out.append(simple < 0 ? c : "\b\f\n\r\t".charAt(simple));
            }
            at++;
            return out.toString();
        }

        private void skipSpace() {
            while (Character.isWhitespace(text.charAt(at))) at++;
        }

        static String write(Object value) {
            if (value instanceof String s) return quote(s);
            if (value instanceof List<?> l) return "[" + String.join(",", l.stream().map(Json::write).toList()) + "]";
            if (value instanceof Map<?, ?> m)
                return "{" + String.join(",", m.entrySet().stream().map(e -> quote((String) e.getKey()) + ":" + write(e.getValue())).toList()) + "}";
            return String.valueOf(value);
        }

        static String quote(String text) {
            StringBuilder out = new StringBuilder("\"");
            for (char c : text.toCharArray()) {
                if (c == '"' || c == '\\') out.append('\\').append(c);
                else if (c < ' ') out.append(String.format("\\u%04x", (int) c));
                else out.append(c);
            }
            return out.append('"').toString();
        }
    }
}
