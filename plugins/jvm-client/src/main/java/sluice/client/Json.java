package sluice.client;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The JSON of the manager's calls. Objects are Maps, arrays Lists, numbers Longs or, with a point or exponent, Doubles. It reads
 * what our managers write, refuses what is not JSON, and is no general library.
 */
final class Json {
  private static final int DEPTH = 64;
  private final String text;
  private int at;
  private int depth;

  private Json(String text) {
    this.text = text;
  }

  /** @throws IllegalArgumentException it is no JSON, or not all of it is one value */
  static Object read(String text) {
    Json json = new Json(text);
    Object value = json.value();
    json.space();
    if (json.at != text.length()) throw json.wrong();
    return value;
  }

  /** @throws IllegalArgumentException it is no object */
  @SuppressWarnings("unchecked")
  static Map<String, Object> object(Object value) {
    if (value instanceof Map<?, ?>) return (Map<String, Object>) value;
    throw new IllegalArgumentException("an object was expected");
  }

  @SuppressWarnings("unchecked")
  static List<Object> array(Object value) {
    if (value instanceof List<?>) return (List<Object>) value;
    throw new IllegalArgumentException("an array was expected");
  }

  static long number(Object value) {
    if (value instanceof Long number) return number;
    throw new IllegalArgumentException("a whole number was expected");
  }

  static String string(Object value) {
    if (value instanceof String text) return text;
    throw new IllegalArgumentException("a string was expected");
  }

  static boolean truth(Object value) {
    if (value instanceof Boolean truth) return truth;
    throw new IllegalArgumentException("true or false was expected");
  }

  /** Appends the text in quotes. */
  static StringBuilder quote(StringBuilder into, String text) {
    into.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') into.append('\\').append(c);
      else if (c < 0x20) into.append(String.format("\\u%04x", (int) c));
      else into.append(c);
    }
    return into.append('"');
  }

  private Object value() {
    space();
    char c = peek();
    if (c == '{') return objectHere();
    if (c == '[') return arrayHere();
    if (c == '"') return stringHere();
    if (c == '-' || c >= '0' && c <= '9') return numberHere();
    if (word("true")) return true;
    if (word("false")) return false;
    if (word("null")) return null;
    throw wrong();
  }

  private Map<String, Object> objectHere() {
    Map<String, Object> object = new LinkedHashMap<>();
    at++;
    if (++depth > DEPTH) throw wrong();
    if (!next('}')) {
      do {
        space();
        if (peek() != '"') throw wrong();
        String name = stringHere();
        if (!next(':')) throw wrong();
        object.put(name, value());
      } while (next(','));
      if (!next('}')) throw wrong();
    }
    depth--;
    return object;
  }

  private List<Object> arrayHere() {
    List<Object> array = new ArrayList<>();
    at++;
    if (++depth > DEPTH) throw wrong();
    if (!next(']')) {
      do array.add(value());
      while (next(','));
      if (!next(']')) throw wrong();
    }
    depth--;
    return array;
  }

  private String stringHere() {
    int from = ++at;
    while (at < text.length() && text.charAt(at) != '"' && text.charAt(at) != '\\') at++;
    if (at < text.length() && text.charAt(at) == '"') return text.substring(from, at++);
    StringBuilder decoded = new StringBuilder().append(text, from, at);
    for (;;) {
      char c = peek();
      at++;
      if (c == '"') return decoded.toString();
      if (c < 0x20) throw wrong();
      decoded.append(c == '\\' ? escape() : c);
    }
  }

  private char escape() {
    char c = peek();
    at++;
    switch (c) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      case 'u':
        if (at + 4 > text.length()) throw wrong();
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
      default:
        if (c != '"' && c != '\\' && c != '/') throw wrong();
        return c;
    }
  }

  private Object numberHere() {
    int from = at;
    boolean whole = true;
    for (; at < text.length(); at++) {
      char c = text.charAt(at);
      if (c == '.' || c == 'e' || c == 'E') whole = false;
      else if ((c < '0' || c > '9') && c != '-' && c != '+') break;
    }
    String number = text.substring(from, at);
    return whole ? (Object) Long.valueOf(number) : (Object) Double.valueOf(number);
  }

  private boolean word(String word) {
    if (!text.startsWith(word, at)) return false;
    at += word.length();
    return true;
  }

  private boolean next(char wanted) {
    space();
    if (at >= text.length() || text.charAt(at) != wanted) return false;
    at++;
    return true;
  }

  private void space() {
    while (at < text.length() && text.charAt(at) <= ' ') at++;
  }

  private char peek() {
    if (at >= text.length()) throw wrong();
    return text.charAt(at);
  }

  private IllegalArgumentException wrong() {
    return new IllegalArgumentException("not JSON at character " + at);
  }
}
