package sluice.test;

import java.util.List;

/** A job of the tests: its lines are its answer, in an order that does not depend on the shuffle. */
interface Job {
  List<?> run(Context context) throws Exception;
}
