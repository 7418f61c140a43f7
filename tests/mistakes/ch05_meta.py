"Two typical mistakes for each exercise of chapter 5, and what its check must say."
MISTAKES = {
    1: [("a step uphill", "def answer(theta, c, A, alpha): return theta + alpha*A@(theta - c)", "uphill"),
        ("the curvature is missing", "def answer(theta, c, A, alpha): return theta - alpha*(theta - c)", "matrix `A` is missing")],
    2: [("the gradient at the start", "def answer(theta, tasks, alpha): return sum(A@(theta - q) for s, q, A in tasks)/len(tasks)", "joint training"),
        ("back through the step", "def answer(theta, tasks, alpha): return sum((torch.eye(len(theta)) - alpha*A)@A@(theta - alpha*A@(theta - s) - q) for s, q, A in tasks)/len(tasks)", "second order")],
    3: [("away from the adapted prompts", "def answer(theta, adapted, beta): return {n: t - beta*(sum(a[n] for a in adapted)/len(adapted) - t) for n, t in theta.items()}", "sign"),
        ("the sum over the tasks", "def answer(theta, adapted, beta): return {n: t + beta*sum(a[n] - t for a in adapted) for n, t in theta.items()}", "You sum over")],
    4: [("the middle decides", "def answer(low, high, less_is_better): return 'helps' if ((low + high)/2 < 0) == less_is_better else 'hurts'", "its middle decides nothing"),
        ("more is always better", "def answer(low, high, less_is_better): return 'could be chance' if low <= 0 <= high else 'helps' if low > 0 else 'hurts'", "depends on the measure")]}
