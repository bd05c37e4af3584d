def save(s,p): raise NotImplementedError
