"""The words with which SPDY/3 primes the compression of headers.

https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/, section 2.6.10.1. Pure.
"""

import base64

DICTIONARY = base64.b85decode(
    "00007Z*X*JZ*Fq{000DNWnp9h000DVZ*z12000AUb#wp#00v}bY-Mz100005baG*1WdHyG24Q1kWpH!=000hQV`F7-bS-"
    "0OVRCb2bN~PV4`E|tWpH#YWo~0{WNB_^0000FVPj)uaC9wfVQy!2VP|Ck000ePV`F7-bS-jWZf9k400003VP|Ck000GHY;13L000"
    "0DVRdw9Z*pmRVRUJ4ZU6uP4P#+rXk{&9Z*FvQZ)^Yn019JoZf<2`bZKvH0000CV{dMBWo~pWVqtS-"
    "0000GV{dMBWo~pWWo~0{WNB_^0000GV{dMBWo~pWY+-I^bzx^^0000EV{dMBWo~pWY-Mg|bZ7to01#tuZggdCbS-"
    "ReV_|e@Z*Bkp01IPpZggdCbS-UUH2?qr4P$R^bY*UIEplOQXJr5Y01RVqZggdCbS-pwaAg1h00d-"
    "VbY%bl00d=pVP^mU00w1vaAjk300007Wq5FDa%FP>000DLa&K(_000DNZ*z12000PSW-V=DbYo}$000qbW-"
    "V=RWNBt;Wn?XLX>Ma>0000DX=W{MZ*FBRZDDj{XaE2J2x(?5a$#;~WdHyG6KQ5Gb#85MWNBt;Wn?XLX>Ma>0000DY+-"
    "YBEp2aPX=Z6<WB>pF2yAa-VRUJ4ZU6uP3~ga}EoN_WcVTj5a{vGU25@p=XKi5s000tja&LHfEn#(ZXk~76X=7n@WdHyG6L4~GczG"
    ">hb#!QNa%p;DbZKvH00005a$#;~WdHyG2XbX*WpZV50000Ba%FUKc`adPbY*e?000JaWpZ|9asU7T0(4~n000Mca$#v~WpV%j01<"
    "R@VQzC~WpXWLZewp`X>Ml#000MdaA$I1WMu#V019<;WpXWHXJu}500004c42aP00003c4=V%000MfVRCM1Zf5`h01$U~cP(LcbZB"
    "L6bZKK@bY%bl00wPkbZBp600003XJvE%000JabYXOLa{vGU1~M=(AWusG000MeWpZ<AZ*Bkp00>A_R8TK5E-"
    "?TA00VV$YybcN25@y^Y-wWv000VeWppiLZ*Oa9WdHyG3TtI$a4lhMX?A4*000JWa%pF2ZZR-"
    "0F)%SQFflSPGBPkVGB7qXFfcPPGBYqUGcYtWFf}tUHZw3cG%zwWFf}wVHZ(9dG%z?cFgY|aFf=hSG%+$XF*7tVG&C_aG%+?bF*h|"
    "ZGBq$XH83?YFf$-dZ*DC?b#!QNa%ps7bZK^FAW3d!Z*py6bZKvHGB7kCPH!MXZ*FvDZgev+F(6HEc4cHBP-Sv$VQyt^bZmJvFfbr"
    "OVPqguWpQ<7b96K?F(6fLVRdw9Z*pmRWn?rkGayE9a$;#@WMytNFf<@eZ*(9=Z*^{DH83zBNp5sya&BR4AX8;>c4cxPMRIa)ay2k"
    "9AWm;|AW3a-Y-Md_Zggd2H83+EQ)O~?X=7y|Rc>K+VQFk(Vr*qfVQwHsWnv&rVR9fraB?6`VR;}*b#5R^b!;F(b!Q+`WpH#LPh)f"
    "-PH%P~L}g<jFfckWFgh?WAWd&>EFe^MWh@|9Wn?TMRA_Z9AVzX&EFe>1bSxlKb#5#mM@>{?XmxIDWn?ULWq5QiXmo9CENN|FXJs#"
    "NZf7iMZDD6+FKTdSENN|FXJs#EX=W^8aBysCV_|e@Z*DJmZEP%IaBysCV_|e@Z*DJmXmo9CD|l^eEOcdfbT4phVQFqGbY*ySFKS_"
    "SVRK`0X>fEbaCKsAX=8A5X?9_BWo==2En#P6J!g7pa4ckHW^7?}Wh`@KV`yV&VRCb2bUk%+W-"
    "T~lXkl`5Wpq7hb8js;I5jyfF)Vd-W-Tl#EM;zSJuof"
)
