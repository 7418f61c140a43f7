"Two typical mistakes for each exercise of chapter 6, and what its check must say."
MISTAKES = {
    1: [("the mean of all", "def answer(scores, level): return scores - scores.mean()", "mean of all scores"),
        ("level after level", "def answer(scores, level): return np.concatenate([scores[level == l] - scores[level == l].mean() for l in np.unique(level)])", "no longer in the order")],
    2: [("the sign of PCGrad", "def answer(g_q, g_s, lam): return g_q if g_q@g_s >= 0 else g_q - lam*(g_q@g_s)/(g_s@g_s)*g_s", "the paper"),
        ("over the length, not its square", "def answer(g_q, g_s, lam): return g_q - lam*(g_q@g_s)/g_s.norm()*g_s if g_q@g_s > 0 else g_q", "divides by its square")],
    3: [("the cosine once", "def answer(g_q, g_s): return float(g_q.norm()*g_s.norm()/(g_q@g_s)) if g_q@g_s > 0 else math.inf", "square it"),
        ("a limit where the rule does not act", "def answer(g_q, g_s): return float((g_q@g_q)*(g_s@g_s)/(g_q@g_s)**2)", "math.inf")],
    4: [("the sum over the images", "def answer(student, teacher): return student.softmax(1) - teacher.softmax(1)", "their mean"),
        ("logits for probabilities", "def answer(student, teacher): return (student - teacher)/len(student)", "softmax of both")],
    5: [("in radians", "def answer(d): return 1/math.sqrt(d)", "radians"),
        ("without the root", "def answer(d): return math.degrees(1/d)", "square root")]}
