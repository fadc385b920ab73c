package cxredge.core;

/** A film, bundle or engine that is refused: the reason and the facts that its sentence needs. */
public final class CoreException extends Exception {
    private static final long serialVersionUID = 1L;

    private final Reason reason;
    private final transient Object[] facts;

    public CoreException(Reason reason, Object... facts) {
        super(reason.describe(facts));
        this.reason = reason;
        this.facts = facts;
    }

    public CoreException(Throwable cause, Reason reason, Object... facts) {
        this(reason, facts);
        initCause(cause);
    }

    public Reason reason() {
        return reason;
    }

    public Object[] facts() {
        return facts.clone();
    }

    /** Returns the first line of what a library said, or the name of what it threw. */
    static String firstLine(Throwable thrown) {
        String text = thrown.getMessage();
        return text == null || text.trim().isEmpty() ? thrown.getClass().getSimpleName() : text.trim().split("\n")[0];
    }
}
