import glob,os,sys
os.chdir('/tmp/h/p1')
for c in ['lottery','engine','wire','pki','exports','operators']:
    files=sorted(glob.glob(f'crates/{c}/**/*.rs',recursive=True))
    part=0;size=0;buf=[]
    def flush():
        global part,size,buf
        open(f'/tmp/h/w/{c}{part}.txt','w').write(''.join(buf)); part+=1;size=0;buf=[]
    for f in files:
        t=open(f).read()
        if not t.endswith('\n'): t+='\n'
        t=f'=== {f}\n'+t
        n=len(t)+7*t.count('\n')
        if size+n>92000 and buf: flush()
        buf.append(t); size+=n
    flush()
    print(c,part)
