"Typical mistakes in the exercises of chapter 2: what was done, the answer, and words that the check must say."
MISTAKES = {
    1: [("vectors that are not of length one", "def answer(v, g, b, tau): return torch.sigmoid(tau*(v @ g - v @ b))", "not of length one"),
        ("no temperature", "def answer(v, g, b, tau):\n    u = lambda x: x/x.norm(dim=-1, keepdim=True)\n    return torch.sigmoid(u(v) @ u(g) - u(v) @ u(b))", "temperature is missing"),
        ("the bad text above the line", "def answer(v, g, b, tau):\n    u = lambda x: x/x.norm(dim=-1, keepdim=True)\n    return torch.sigmoid(tau*(u(v) @ u(b) - u(v) @ u(g)))", "bad text"),
        ("a softmax over the photographs", "def answer(v, g, b, tau):\n    u = lambda x: x/x.norm(dim=-1, keepdim=True)\n    return (tau*u(v) @ u(torch.stack([g, b])).T).softmax(0)[:,0]", "not over the photographs"),
        ("both columns", "def answer(v, g, b, tau):\n    u = lambda x: x/x.norm(dim=-1, keepdim=True)\n    return (tau*u(v) @ u(torch.stack([g, b])).T).softmax(-1)", "one score each")],
    2: [("tested on the photographs that it was chosen with", "def answer(c, y, train):\n    s = max(srcc(o[train], y[train]) for o in c.T)\n    return s, s", "were not used for choosing"),
        ("chosen again on the test photographs", "def answer(c, y, train):\n    rest = np.setdiff1d(np.arange(len(y)), train)\n    return tuple(max(srcc(o[i], y[i]) for o in c.T) for i in (train, rest))", "chose a second time"),
        ("tested on all", "def answer(c, y, train):\n    best = max(c.T, key=lambda o: srcc(o[train], y[train]))\n    return srcc(best[train], y[train]), srcc(best, y)", "includes the photographs"),
        ("one number", "def answer(c, y, train): return max(srcc(o[train], y[train]) for o in c.T)", "two numbers")],
    3: [("a pair about quality as a whole", "answer = ('Good photo.', 'Bad photo.')", "with blur as well"),
        ("turned around", "answer = ('noisy photo', 'clean photo')", "wanted text comes first"),
        ("words that the judge never read", "answer = ('silky photo', 'gritty photo')", "never read 'silky' or 'gritty'"),
        ("a pair about something else", "answer = ('bright photo', 'dark photo')", "not about noise")],
    4: [("divided by n squared", "def answer(x, y):\n    d = np.sign(x[:,None] - x)*np.sign(y[:,None] - y)\n    return (d < 0).mean()", "no pair with itself"),
        ("a number and no share", "def answer(x, y):\n    i, j = np.triu_indices(len(x), 1)\n    return ((x[i] - x[j])*(y[i] - y[j]) < 0).sum()", "divide it by the number"),
        ("photographs that changed their place", "def answer(x, y): return (np.argsort(np.argsort(x)) != np.argsort(np.argsort(y))).mean()", "not places"),
        ("the pairs that kept their order", "def answer(x, y):\n    i, j = np.triu_indices(len(x), 1)\n    return ((x[i] - x[j])*(y[i] - y[j]) > 0).mean()", "must be 0")]}
